plugins {
    alias(libs.plugins.kotlin.jvm)
}

java {
    sourceCompatibility = JavaVersion.VERSION_11
    targetCompatibility = JavaVersion.VERSION_11
}

kotlin {
    compilerOptions {
        jvmTarget.set(org.jetbrains.kotlin.gradle.dsl.JvmTarget.JVM_11)
    }
}

dependencies {
    compileOnly(libs.android.json) // the phone has it
    testImplementation(libs.android.json)
    testImplementation(kotlin("test-junit"))
    testImplementation(libs.junit)
}

tasks.test {
    systemProperty("vectors", rootDir.resolve("../tests/apps/vectors").path)
}

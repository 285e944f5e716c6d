plugins {
    alias(libs.plugins.android.application)
    alias(libs.plugins.kotlin.android)
}

android {
    namespace = "org.ferdeploy.demo"
    compileSdk = 35

    defaultConfig {
        applicationId = "org.ferdeploy.demo"
        minSdk = 26 // libexecutorch.so is built for android-26; ONNX Runtime would take 24, LiteRT 21
        targetSdk = 35
        versionCode = 1
        versionName = "0.1.0"
        resValue("string", "executorch_version", libs.versions.executorch.get())
        resValue("string", "litert_version", libs.versions.litert.get())
        ndk {
            abiFilters += listOf("arm64-v8a", "x86_64") // what executorch-android has; the others have these and more
        }
    }

    compileOptions {
        sourceCompatibility = JavaVersion.VERSION_11
        targetCompatibility = JavaVersion.VERSION_11
    }

    kotlinOptions {
        jvmTarget = "11"
    }

    androidResources {
        noCompress += listOf("onnx", "pte", "tflite")
    }
}

dependencies {
    implementation(project(":core"))
    implementation(libs.executorch)
    implementation(libs.litert)
    implementation(libs.litert.api)
    implementation(libs.onnxruntime)
}

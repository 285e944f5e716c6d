package org.ferdeploy.core

import java.io.File
import java.io.IOException
import java.security.MessageDigest

/** `artifact.json`: what the app needs to run the model file. */
data class ArtifactInfo(
    val model: String,
    val target: String,
    val recipe: String,
    val runtime: String,
    val file: String,
    val sha256: String,
    val contractSha256: String,
    val contract: Contract,
    val versions: Map<String, String>,
)

/** A verified artifact folder; nothing else tells the app about the model. */
class Artifact private constructor(val folder: File, val info: ArtifactInfo, val golden: Golden) {
    val modelFile: File get() = File(folder, info.file)

    companion object {
        const val INFO_FILE = "artifact.json"
        const val GOLDEN_FILE = "golden.json"
        private const val SCHEMA_MAJOR = "1"
        private val TOOLS = listOf("executorch", "onnxruntime", "fer-deploy")

        /**
         * Returns the artifact in [folder], its model file checked against the recorded sha256.
         *
         * @throws ArtifactException a file is missing, malformed, damaged or of another export.
         */
        fun open(folder: File): Artifact {
            val info = infoOf(read(folder, INFO_FILE))
            val golden = Golden.of(read(folder, GOLDEN_FILE), info.contract)
            val file = File(folder, info.file)
            if (file.name != info.file || !file.isFile) {
                throw ArtifactException("model file $file does not exist; $INFO_FILE names it")
            }
            if (sha256(file) != info.sha256) {
                throw ArtifactException("model file $file is damaged: its sha256 is not the one in $INFO_FILE")
            }
            if (golden.artifactSha256 != info.sha256 || golden.contractSha256 != info.contractSha256) {
                throw ArtifactException("$GOLDEN_FILE and $INFO_FILE in $folder are not of the same export")
            }
            return Artifact(folder, info, golden)
        }

        /** Decodes the text of an `artifact.json`. */
        fun infoOf(text: String): ArtifactInfo {
            val fields = Fields.parse(text, INFO_FILE)
            val schema = fields.text("schema_version")
            if (schema.substringBefore('.') != SCHEMA_MAJOR) {
                fields.fail("schema_version", "is $schema; this app reads $SCHEMA_MAJOR.x")
            }
            val contract = contractOf(fields.child("contract"))
            requireTensor(fields.child("input"), "pixels", contract.input.shape)
            requireTensor(fields.child("output"), "logits", listOf(1, contract.labels.size))
            val versions = fields.child("versions")
            return ArtifactInfo(
                model = fields.text("model"),
                target = fields.text("target"),
                recipe = fields.text("recipe"),
                runtime = fields.text("runtime"),
                file = fields.text("file"),
                sha256 = fields.text("sha256"),
                contractSha256 = fields.text("contract_sha256"),
                contract = contract,
                versions = TOOLS.associateWith { versions.text(it) },
            )
        }

        private fun requireTensor(fields: Fields, name: String, shape: List<Int>) {
            if (fields.text("name") != name) fields.fail("name", "is '${fields.text("name")}', not '$name'")
            if (fields.text("dtype") != "float32") fields.fail("dtype", "is not float32")
            if (fields.ints("shape") != shape) fields.fail("shape", "is ${fields.ints("shape")}, not $shape")
        }

        private fun read(folder: File, name: String): String = try {
            File(folder, name).readText()
        } catch (error: IOException) {
            throw ArtifactException("$folder is not an artifact folder: $name cannot be read: ${error.message}")
        }

        private fun sha256(file: File): String {
            val digest = MessageDigest.getInstance("SHA-256")
            file.inputStream().use { stream ->
                val buffer = ByteArray(1 shl 16)
                while (true) {
                    val count = stream.read(buffer)
                    if (count < 0) break
                    digest.update(buffer, 0, count)
                }
            }
            return digest.digest().joinToString("") { "%02x".format(it) }
        }
    }
}

import CoreML
import FerDemoCore
import Foundation

/// Runs the job that the launch arguments ask for, off the main actor, and ends the app, so that the next run is cold
/// again. See ``BenchmarkJob`` for what it reads and writes.
enum BenchmarkRun {
    static func run(_ request: BenchmarkRequest) async {
        let documents = FileManager.default.urls(for: .documentDirectory, in: .userDomainMask)[0]
        let job = BenchmarkJob(request, documents: documents, app: Phone.app, device: Phone.device)
        let problem: String?
        do {
            problem = try await job.run(memory: FootprintMemory(), state: { await Phone.state() }) { artifact in
                try CoreMLEngine.require(artifact)
                let units = try ComputeUnits.named(request.units)
                // Not the kept one: a timing begins with what a fresh install has.
                let compiled = try await MLModel.compileModel(at: artifact.modelFile)
                return { try CoreMLEngine(compiled, artifact, units: units) }
            }
        } catch {
            problem = "timing.json cannot be written: \(error)"
        }
        // For `devicectl ... process launch --console`; the file says the same.
        print(problem.map { "failed: \($0)" } ?? "done")
        exit(problem == nil ? 0 : 1)
    }
}

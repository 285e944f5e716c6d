import CoreML
import FerDemoCore
import Foundation

/// One timing run of a pushed artifact, asked for by launch arguments:
/// `-benchmark FOLDER` (in the app's Documents), `-protocol JSON`, `-units all|cpuOnly|cpuAndNeuralEngine|cpuAndGPU`.
///
/// Writes `Documents/timing.json`: a TimingResult, or `{"error": "..."}`, and ends the app, so that the next run is
/// cold again.
struct BenchmarkRequest {
    private let folder: String
    private let timing: String
    private let units: String

    /// Core ML chooses its threads and tells nobody.
    private static let unknownThreads = 0

    init?(_ arguments: [String]) {
        func value(_ name: String) -> String? {
            arguments.firstIndex(of: name).flatMap { $0 + 1 < arguments.count ? arguments[$0 + 1] : nil }
        }
        guard let folder = value("-benchmark") else { return nil }
        self.folder = folder
        timing = value("-protocol") ?? "{}"
        units = value("-units") ?? "all"
    }

    func run() async {
        let documents = FileManager.default.urls(for: .documentDirectory, in: .userDomainMask)[0]
        let result: Data
        do {
            result = try await time(Artifact(folder: documents.appendingPathComponent(folder)))
        } catch {
            result = (try? JSONEncoder().encode(["error": "\(error)"])) ?? Data()
        }
        do {
            try result.write(to: documents.appendingPathComponent("timing.json"), options: .atomic)
        } catch {
            fatalError("timing.json cannot be written: \(error)")
        }
        exit(0)
    }

    private func time(_ artifact: Artifact) async throws -> Data {
        let known: [String: MLComputeUnits] = [
            "all": .all, "cpuOnly": .cpuOnly, "cpuAndNeuralEngine": .cpuAndNeuralEngine, "cpuAndGPU": .cpuAndGPU,
        ]
        guard let chosen = known[units] else {
            throw ArtifactError("-units must be one of \(known.keys.sorted().joined(separator: ", ")), got \(units)")
        }
        let timing = try TimingProtocol.decode(Data(timing.utf8))
        let compiled = try await CoreMLEngine.compile(artifact)
        var memory = FootprintMemory()
        let result = try Benchmark.run(artifact, timing, memory: &memory, threads: Self.unknownThreads) {
            try CoreMLEngine(compiled, $0, units: chosen)
        }
        return try result.json()
    }
}

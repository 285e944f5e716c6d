import Foundation

/// A job that a host left in the app's Documents: the same inputs and outputs as fer-deploy's other runners.
///
/// The folder that the request names holds an artifact and, where logits are asked for, `inputs.f32`: little-endian
/// float32 images (N, C, H, W) of 0..255. The job leaves `logits.f32` (N, K) and then `timing.json`, which says what was
/// run on what, or why not. What an earlier job left is removed first, so that nobody takes it for this one's.
public struct BenchmarkJob {
    /// Compiles an artifact; what it returns loads it.
    public typealias Prepare = (Artifact) async throws -> () throws -> Engine

    private static let inputs = "inputs.f32"
    private static let logits = "logits.f32"

    private let request: BenchmarkRequest
    private let documents: URL
    private let app: AppFacts
    private let device: DeviceFacts
    private let date: Date
    private let nanoseconds: () -> UInt64

    public init(
        _ request: BenchmarkRequest, documents: URL, app: AppFacts, device: DeviceFacts, date: Date = Date(),
        nanoseconds: @escaping () -> UInt64 = Benchmark.uptime
    ) {
        self.request = request
        self.documents = documents
        self.app = app
        self.device = device
        self.date = date
        self.nanoseconds = nanoseconds
    }

    /// Runs the job and returns what went wrong, or nil. Throws only where `timing.json` cannot be written.
    public func run<Memory: PeakMemory>(
        memory: Memory, state: () async -> PhoneState, prepare: Prepare
    ) async throws -> String? {
        for name in [TimingReport.file, Self.logits] {
            try? FileManager.default.removeItem(at: documents.appendingPathComponent(name))
        }
        var report = TimingReport(request: request, app: app, device: device, date: date)
        do {
            try await fill(&report, memory, state, prepare)
        } catch {
            report.error = "\(error)".split(whereSeparator: \.isNewline).joined(separator: " ")
        }
        try report.json.data().write(to: documents.appendingPathComponent(TimingReport.file), options: .atomic)
        return report.error
    }

    private func fill<Memory: PeakMemory>(
        _ report: inout TimingReport, _ memory: Memory, _ state: () async -> PhoneState, _ prepare: Prepare
    ) async throws {
        let folder = documents.appendingPathComponent(request.folder)
        report.timing = request.timing.isEmpty ? nil : try TimingProtocol.decode(Data(request.timing.utf8))
        let artifact = try Artifact(folder: folder)
        try artifact.verify()
        report.artifact = artifact.info
        let images = try images(in: folder, artifact.info.contract.input.shape, &report)
        let began = nanoseconds()
        let load = try await prepare(artifact)
        report.compileMs = Benchmark.milliseconds(nanoseconds() - began)
        var memory = memory
        let outcome = try await Benchmark.run(
            artifact, report.timing, images: images ?? [], memory: &memory, state: state, nanoseconds: nanoseconds,
            load: load)
        report.outcome = outcome
        guard outcome.verdict.agrees || report.timing == nil else {
            throw ArtifactError("not timed, this device answers wrongly: \(outcome.verdict)")
        }
        if images != nil { report.logits = try publish(outcome.logits, classes: artifact.info.contract.labels.count) }
    }

    /// Nil where the folder holds no inputs.
    private func images(in folder: URL, _ shape: [Int], _ report: inout TimingReport) throws -> [[Float]]? {
        let file = folder.appendingPathComponent(Self.inputs)
        guard FileManager.default.fileExists(atPath: file.path) else { return nil }
        let size = shape.reduce(1, *)
        let data = try Data(contentsOf: file)
        guard !data.isEmpty, data.count % (4 * size) == 0 else {
            throw ArtifactError("\(Self.inputs) does not hold whole images of \(shape): \(data.count) bytes")
        }
        let floats = Float32File.decoded(data)
        report.inputs = .object([
            "file": .text(Self.inputs), "sha256": .text(Sha256.hex(data)), "images": .int(floats.count / size),
        ])
        return stride(from: 0, to: floats.count, by: size).map { Array(floats[$0..<($0 + size)]) }
    }

    private func publish(_ logits: [[Float]], classes: Int) throws -> Json {
        guard logits.allSatisfy({ $0.count == classes }) else {
            throw ArtifactError("the model gave other numbers of logits than the contract's \(classes) labels")
        }
        let data = Float32File.encoded(logits.flatMap { $0 })
        try data.write(to: documents.appendingPathComponent(Self.logits), options: .atomic)
        return .object([
            "file": .text(Self.logits), "sha256": .text(Sha256.hex(data)), "images": .int(logits.count),
            "classes": .int(classes),
        ])
    }
}

/// Raw little-endian float32, as numpy's `<f4`.
enum Float32File {
    static func decoded(_ data: Data) -> [Float] {
        let bytes = Array(data)
        return stride(from: 0, to: bytes.count, by: 4).map { start in
            Float(bitPattern: (0..<4).reduce(UInt32(0)) { $0 | UInt32(bytes[start + $1]) << UInt32(8 * $1) })
        }
    }

    static func encoded(_ floats: [Float]) -> Data {
        Data(floats.flatMap { float in (0..<4).map { UInt8(truncatingIfNeeded: float.bitPattern >> UInt32(8 * $0)) } })
    }
}

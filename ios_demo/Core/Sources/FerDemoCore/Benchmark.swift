import Dispatch
import Foundation

/// Single stream, batch 1: the same protocol, names and defaults as `fer_deploy/devices/timing.py`, but for the
/// number of threads, which Core ML chooses itself.
public struct TimingProtocol: Decodable, Equatable, Sendable {
    public var warmups = 20
    public var minRuns = 300
    public var minSeconds = 1.0
    public var maxSeconds = 20.0

    public init() {}

    public init(from decoder: Decoder) throws {
        let values = try decoder.container(keyedBy: CodingKeys.self)
        warmups = try values.decodeIfPresent(Int.self, forKey: .warmups) ?? warmups
        minRuns = try values.decodeIfPresent(Int.self, forKey: .minRuns) ?? minRuns
        minSeconds = try values.decodeIfPresent(Double.self, forKey: .minSeconds) ?? minSeconds
        maxSeconds = try values.decodeIfPresent(Double.self, forKey: .maxSeconds) ?? maxSeconds
    }

    /// Decodes and checks a protocol; throws ``ArtifactError`` naming what is out of range.
    public static func decode(_ data: Data) throws -> TimingProtocol {
        let timing: TimingProtocol = try decoded(data, file: "the timing protocol")
        guard timing.warmups >= 0, timing.minRuns >= 1, timing.minSeconds >= 0, timing.maxSeconds > 0 else {
            throw ArtifactError(
                "the timing protocol wants warmups and min_seconds of 0 or more, min_runs of 1 or more "
                    + "and max_seconds above 0: \(timing)")
        }
        return timing
    }

    enum CodingKeys: String, CodingKey {
        case warmups
        case minRuns = "min_runs"
        case minSeconds = "min_seconds"
        case maxSeconds = "max_seconds"
    }
}

/// What a run gave; its JSON has the members of `fer_deploy.devices.timing.TimingResult`.
public struct TimingResult: Encodable, Equatable, Sendable {
    public let runtimeVersion: String
    public let threads: Int
    public let loadMs: Double
    public let firstMs: Double
    public let samplesMs: [Double]
    public let peakMemoryBytes: Int?
    public let peakMemoryReason: String?

    public func json() throws -> Data { try JSONEncoder().encode(self) }

    enum CodingKeys: String, CodingKey {
        case threads
        case runtimeVersion = "runtime_version"
        case loadMs = "load_ms"
        case firstMs = "first_ms"
        case samplesMs = "samples_ms"
        case peakMemoryBytes = "peak_memory_bytes"
        case peakMemoryReason = "peak_memory_reason"
    }

    public func encode(to encoder: Encoder) throws {
        var values = encoder.container(keyedBy: CodingKeys.self)
        try values.encode(runtimeVersion, forKey: .runtimeVersion)
        try values.encode(threads, forKey: .threads)
        try values.encode(loadMs, forKey: .loadMs)
        try values.encode(firstMs, forKey: .firstMs)
        try values.encode(samplesMs, forKey: .samplesMs)
        // Not encodeIfPresent: a missing figure is written as null, not left out.
        try values.encode(peakMemoryBytes, forKey: .peakMemoryBytes)
        try values.encode(peakMemoryReason, forKey: .peakMemoryReason)
    }
}

/// Peak memory of this process from `start` on, above what it used then.
public protocol PeakMemory {
    mutating func start()

    /// Bytes, or nil with `reason` saying why not.
    mutating func bytes() -> Int?

    var reason: String? { get }
}

public enum Benchmark {
    /// Nanoseconds since some moment in the past; never runs backwards.
    public static let uptime: @Sendable () -> UInt64 = { DispatchTime.now().uptimeNanoseconds }

    /// Times `artifact`: load, first inference, then the samples of `timing` over the golden inputs in turn. The
    /// golden check comes last, so that it warms nothing up.
    ///
    /// Throws ``ArtifactError`` when this device disagrees with the golden logits: a wrong answer has no latency.
    /// `threads` is what the result states: Core ML gives no say in it.
    public static func run<Memory: PeakMemory>(
        _ artifact: Artifact,
        _ timing: TimingProtocol,
        memory: inout Memory,
        threads: Int,
        nanoseconds: () -> UInt64 = uptime,
        load: (Artifact) throws -> Engine
    ) throws -> TimingResult {
        let inputs = artifact.golden.vectors.map { FacePixels.floats($0.pixels) }
        memory.start()
        let began = nanoseconds()
        let engine = try load(artifact)
        let loaded = nanoseconds()
        _ = try engine.logits(inputs[0])
        let first = nanoseconds()
        for index in 0..<timing.warmups { _ = try engine.logits(inputs[index % inputs.count]) }
        let samples = try samples(engine, inputs, timing, nanoseconds)
        let peak = memory.bytes()
        let verdict = try artifact.golden.check(engine)
        guard verdict.agrees else { throw ArtifactError("not timed, this device answers wrongly: \(verdict)") }
        return TimingResult(
            runtimeVersion: engine.runtimeVersion, threads: threads,
            loadMs: milliseconds(loaded - began), firstMs: milliseconds(first - loaded), samplesMs: samples,
            peakMemoryBytes: peak, peakMemoryReason: memory.reason)
    }

    private static func samples(
        _ engine: Engine, _ inputs: [[Float]], _ timing: TimingProtocol, _ nanoseconds: () -> UInt64
    ) throws -> [Double] {
        var samples: [Double] = []
        var seconds = 0.0
        while (samples.count < timing.minRuns || seconds < timing.minSeconds) && seconds < timing.maxSeconds {
            let input = inputs[samples.count % inputs.count]
            let start = nanoseconds()
            _ = try engine.logits(input)
            let took = nanoseconds() - start
            samples.append(milliseconds(took))
            seconds += Double(took) / 1e9
        }
        return samples
    }

    private static func milliseconds(_ nanoseconds: UInt64) -> Double { Double(nanoseconds) / 1e6 }
}

/// Returns a quantile of `samples`, 0..1, by linear interpolation between order statistics (numpy's default).
public func quantile(_ samples: [Double], _ quantile: Double) -> Double {
    precondition(!samples.isEmpty, "no samples, no quantile")
    let ordered = samples.sorted()
    let place = quantile * Double(ordered.count - 1)
    let below = Int(place)
    let above = min(below + 1, ordered.count - 1)
    return ordered[below] + (ordered[above] - ordered[below]) * (place - Double(below))
}

import Dispatch

/// What a run gave; its JSON has the members of `fer_deploy.devices.timing.TimingResult`.
public struct TimingResult: Equatable, Sendable {
    public let runtimeVersion: String
    public let loadMs: Double
    public let firstMs: Double
    public let samplesMs: [Double]
    public let peakMemoryBytes: Int?
    public let peakMemoryReason: String?

    func json(_ verdict: GoldenVerdict) -> Json {
        .object([
            "runtime_version": .text(runtimeVersion), "load_ms": .number(loadMs), "first_ms": .number(firstMs),
            "samples_ms": .list(samplesMs.map(Json.number)), "peak_memory_bytes": .some(peakMemoryBytes),
            "peak_memory_reason": .some(peakMemoryReason), "golden_difference": .some(verdict.worst),
            "golden_tolerance": .number(verdict.allowed),
            // Core ML chooses both and tells nobody.
            "threads": .null, "cores": .null,
        ])
    }
}

/// Peak memory of this process from `start` on, above what it used then.
public protocol PeakMemory {
    mutating func start()

    /// Bytes, or nil with `reason` saying why not.
    mutating func bytes() -> Int?

    var reason: String? { get }
}

/// The figures, this device's golden answers, and the logits (K) of the images that were asked for, in their order.
struct BenchmarkOutcome {
    let timing: TimingResult
    let verdict: GoldenVerdict
    let logits: [[Float]]
    let before: PhoneState
    let after: PhoneState
}

public enum Benchmark {
    /// Nanoseconds since some moment in the past; never runs backwards.
    public static let uptime: @Sendable () -> UInt64 = { DispatchTime.now().uptimeNanoseconds }

    /// Times `artifact`: load, first inference, then the samples of `timing` over the golden inputs in turn; without
    /// `timing` no sample is taken. The golden check and `images` come last, so that they warm nothing up.
    ///
    /// The figures of a device that disagrees with the golden logits are worth nothing: the caller looks at the verdict.
    static func run<Memory: PeakMemory>(
        _ artifact: Artifact,
        _ timing: TimingProtocol?,
        images: [[Float]],
        memory: inout Memory,
        state: () async -> PhoneState,
        nanoseconds: () -> UInt64,
        load: () throws -> Engine
    ) async throws -> BenchmarkOutcome {
        let inputs = artifact.golden.vectors.map { FacePixels.floats($0.pixels) }
        let before = await state()
        memory.start()
        let began = nanoseconds()
        let engine = try load()
        let loaded = nanoseconds()
        _ = try engine.logits(inputs[0])
        let first = nanoseconds()
        for index in 0..<(timing?.warmups ?? 0) { _ = try engine.logits(inputs[index % inputs.count]) }
        let samples = try timing.map { try Self.samples(engine, inputs, $0, nanoseconds) } ?? []
        let peak = memory.bytes()
        let after = await state()
        let result = TimingResult(
            runtimeVersion: engine.runtimeVersion, loadMs: milliseconds(loaded - began),
            firstMs: milliseconds(first - loaded), samplesMs: samples, peakMemoryBytes: peak,
            peakMemoryReason: memory.reason)
        return BenchmarkOutcome(
            timing: result, verdict: try artifact.golden.check(engine), logits: try images.map(engine.logits),
            before: before, after: after)
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

    static func milliseconds(_ nanoseconds: UInt64) -> Double { Double(nanoseconds) / 1e6 }
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

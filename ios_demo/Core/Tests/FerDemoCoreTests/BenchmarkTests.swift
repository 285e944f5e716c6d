import Foundation
import XCTest

@testable import FerDemoCore

struct FixedMemory: PeakMemory {
    var peak: Int? = 4096
    var reason: String?

    mutating func start() {}

    mutating func bytes() -> Int? { peak }
}

/// Moves by one millisecond each time it is read.
final class SteppingClock {
    private var now: UInt64 = 0

    func read() -> UInt64 {
        now += 1_000_000
        return now
    }
}

let restingPhone = PhoneState(
    thermalState: "nominal", lowPowerMode: false, batteryPercent: 80, charging: false, missing: [:])

final class BenchmarkTests: XCTestCase {
    private func time(
        _ timing: String?, _ engine: PixelEngine = PixelEngine(), images: [[Float]] = []
    ) async throws -> BenchmarkOutcome {
        var memory = FixedMemory()
        let clock = SteppingClock()
        return try await Benchmark.run(
            Artifact(folder: Vectors.artifact), timing.map { try TimingProtocol.decode(Data($0.utf8)) },
            images: images, memory: &memory, state: { restingPhone }, nanoseconds: clock.read, load: { engine })
    }

    func testItRunsUntilBothTheRunsAndTheSecondsAreReached() async throws {
        let engine = PixelEngine()
        let result = try await time(#"{"warmups": 5, "min_runs": 10, "min_seconds": 0.02}"#, engine).timing
        XCTAssertEqual(result.samplesMs, Array(repeating: 1, count: 20))
        XCTAssertEqual(result.loadMs, 1)
        XCTAssertEqual(result.firstMs, 1)
        XCTAssertEqual(engine.runs, 1 + 5 + 20 + 6)
        let short = try await time(#"{"min_runs": 10, "min_seconds": 0}"#)
        XCTAssertEqual(short.timing.samplesMs.count, 10)
    }

    func testItStopsAtTheLongestTime() async throws {
        let stopped = try await time(#"{"min_runs": 1000, "max_seconds": 0.007}"#)
        XCTAssertEqual(stopped.timing.samplesMs.count, 7)
    }

    func testWithoutAProtocolOnlyLogitsAreComputed() async throws {
        let engine = PixelEngine()
        let outcome = try await time(nil, engine, images: [[1, 2, 3], [40, 50, 60]])
        XCTAssertEqual(outcome.timing.samplesMs, [])
        XCTAssertEqual(outcome.logits, [[0.1, 0.2, 0.3], [4, 5, 6]])
        XCTAssertEqual(engine.runs, 1 + 6 + 2)
    }

    func testAProtocolIsPythonsByDefaultAndRefusedOutOfRange() throws {
        XCTAssertEqual(try TimingProtocol.decode(Data("{}".utf8)), TimingProtocol())
        for broken in [
            #"{"warmups": -1}"#, #"{"min_runs": 0}"#, #"{"min_seconds": -1}"#, #"{"max_seconds": 0}"#,
            #"{"min_runs": "a"}"#, "[",
        ] {
            XCTAssertThrowsError(try TimingProtocol.decode(Data(broken.utf8)), broken)
        }
    }
}

import Foundation
import XCTest

@testable import FerDemoCore

private struct FixedMemory: PeakMemory {
    let peak: Int?
    let reason: String?

    mutating func start() {}

    mutating func bytes() -> Int? { peak }
}

final class BenchmarkTests: XCTestCase {
    private func time(
        _ timing: String, _ engine: PixelEngine = PixelEngine(),
        _ memory: FixedMemory = FixedMemory(peak: 4096, reason: nil)
    ) throws -> TimingResult {
        var memory = memory
        var now: UInt64 = 0
        return try Benchmark.run(
            Artifact(folder: Vectors.artifact), TimingProtocol.decode(Data(timing.utf8)), memory: &memory, threads: 1,
            nanoseconds: {  // a clock that moves by one millisecond each time it is read
                now += 1_000_000
                return now
            },
            load: { _ in engine })
    }

    func testItRunsUntilBothTheRunsAndTheSecondsAreReached() throws {
        let engine = PixelEngine()
        let result = try time(#"{"warmups": 5, "min_runs": 10, "min_seconds": 0.02}"#, engine)
        XCTAssertEqual(result.samplesMs, Array(repeating: 1, count: 20))
        XCTAssertEqual(result.loadMs, 1)
        XCTAssertEqual(result.firstMs, 1)
        XCTAssertEqual(engine.runs, 1 + 5 + 20 + 6)
        XCTAssertEqual(try time(#"{"min_runs": 10, "min_seconds": 0}"#).samplesMs.count, 10)
    }

    func testItStopsAtTheLongestTime() throws {
        XCTAssertEqual(try time(#"{"min_runs": 1000, "max_seconds": 0.007}"#).samplesMs.count, 7)
    }

    func testADeviceThatAnswersWronglyIsNotTimed() throws {
        XCTAssertThrowsError(try time("{}", PixelEngine(error: 1))) { error in
            XCTAssertTrue("\(error)".contains("not timed, this device answers wrongly"), "\(error)")
        }
    }

    func testTheJsonHasTheMembersOfThePythonResult() throws {
        let result = try time(#"{"min_runs": 2, "min_seconds": 0}"#, PixelEngine(), FixedMemory(peak: nil, reason: "why"))
        let json = try result.json()
        // Python reads this line: tests/apps/test_swift.py.
        print("TimingResult: \(String(decoding: json, as: UTF8.self))")
        let members = try XCTUnwrap(JSONSerialization.jsonObject(with: json) as? [String: Any])
        XCTAssertEqual(
            Set(members.keys),
            [
                "runtime_version", "threads", "load_ms", "first_ms", "samples_ms", "peak_memory_bytes",
                "peak_memory_reason",
            ])
        XCTAssertEqual(members["samples_ms"] as? [Double], [1, 1])
        XCTAssertTrue(members["peak_memory_bytes"] is NSNull)
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

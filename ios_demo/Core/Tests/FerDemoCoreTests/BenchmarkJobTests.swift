import Foundation
import XCTest

@testable import FerDemoCore

final class BenchmarkJobTests: XCTestCase {
    private var documents = URL(fileURLWithPath: "/nonexistent")
    private var job: URL { documents.appendingPathComponent("job") }

    override func setUpWithError() throws {
        documents = FileManager.default.temporaryDirectory.appendingPathComponent(UUID().uuidString)
        try FileManager.default.createDirectory(at: documents, withIntermediateDirectories: true)
        try FileManager.default.copyItem(at: Vectors.artifact, to: job)
    }

    override func tearDownWithError() throws {
        try? FileManager.default.removeItem(at: documents)
    }

    /// Three images that are constant: 10, 20, 30; logit k of each is a tenth of it.
    private func giveInputs() throws {
        let floats = [10, 20, 30].flatMap { Array(repeating: Float($0), count: 3 * 16 * 20) }
        try Float32File.encoded(floats).write(to: job.appendingPathComponent("inputs.f32"))
    }

    private func run(
        _ arguments: [String], engine: PixelEngine = PixelEngine(), memory: FixedMemory = FixedMemory()
    ) async throws -> String? {
        let device = DeviceFacts(
            modelIdentifier: "iPhone16,1", simulator: false, os: "iOS", osVersion: "17.5.1", osBuild: "21F90",
            processors: 6, memoryBytes: 8_000_000_000)
        let app = AppFacts(
            bundleId: "org.ferdeploy.demo", version: "0.1.0", build: "1", configuration: "release")
        let request = try XCTUnwrap(BenchmarkRequest(["FerDemo"] + arguments))
        let benchmark = BenchmarkJob(
            request, documents: documents, app: app, device: device,
            date: Date(timeIntervalSince1970: 1_764_327_521), nanoseconds: SteppingClock().read)
        let states = States()
        return try await benchmark.run(memory: memory, state: states.next, prepare: { _ in { engine } })
    }

    /// A phone that gets warm, and tells of its battery only at the end.
    private final class States {
        private var asked = 0

        func next() async -> PhoneState {
            asked += 1
            if asked > 1 {
                return PhoneState(
                    thermalState: "fair", lowPowerMode: true, batteryPercent: 81, charging: true, missing: [:])
            }
            let silent = "the system does not tell"
            return PhoneState(
                thermalState: "nominal", lowPowerMode: false, batteryPercent: nil, charging: nil,
                missing: ["battery_percent": silent, "charging": silent])
        }
    }

    private func written() throws -> [String: Any] {
        let data = try Data(contentsOf: documents.appendingPathComponent("timing.json"))
        return try XCTUnwrap(JSONSerialization.jsonObject(with: data) as? [String: Any])
    }

    private var logits: Data? { try? Data(contentsOf: documents.appendingPathComponent("logits.f32")) }

    func testTheFileSaysWhatWasTimedOnWhat() async throws {
        try giveInputs()
        let said = try await run(
            [
                "-benchmark", "job", "-units", "cpuAndNeuralEngine", "-run", "an-id", "-protocol",
                #"{"warmups": 2, "min_runs": 5, "min_seconds": 0}"#,
            ], memory: FixedMemory(peak: nil, reason: "the app's peak came before the model was loaded"))
        XCTAssertNil(said)
        let raw = try Data(contentsOf: documents.appendingPathComponent("timing.json"))
        // ios_demo/docs/timing-example.json is this text: tests/apps/test_swift.py compares.
        print("TIMING EXAMPLE BEGINS\n\(String(decoding: raw, as: UTF8.self))\nTIMING EXAMPLE ENDS")
        let file = try written()
        XCTAssertEqual(file["date"] as? String, "2025-11-28T10:58:41Z")
        XCTAssertEqual(file["compute_units"] as? String, "cpuAndNeuralEngine")
        XCTAssertEqual(file["run_id"] as? String, "an-id")
        XCTAssertTrue(file["error"] is NSNull)
        let artifact = try XCTUnwrap(file["artifact"] as? [String: String])
        let info = try Artifact(folder: job).info
        XCTAssertEqual(artifact["key"], "onnx-float")
        XCTAssertEqual(artifact["sha256"], info.sha256)
        let timing = try XCTUnwrap(file["timing"] as? [String: Any])
        XCTAssertEqual(timing["samples_ms"] as? [Double], [1, 1, 1, 1, 1])
        XCTAssertTrue(timing["threads"] is NSNull)
        XCTAssertTrue(timing["peak_memory_bytes"] is NSNull)
        let golden = try XCTUnwrap(file["golden"] as? [String: Any])
        XCTAssertEqual(golden["agrees"] as? Bool, true)
        XCTAssertEqual((golden["vectors"] as? [Any])?.count, 6)
        XCTAssertEqual(Float32File.decoded(try XCTUnwrap(logits)), [1, 1, 1, 2, 2, 2, 3, 3, 3])
        let stated = try XCTUnwrap(file["logits"] as? [String: Any])
        XCTAssertEqual(stated["sha256"] as? String, Sha256.hex(try XCTUnwrap(logits)))
        XCTAssertEqual((file["after"] as? [String: Any])?["thermal_state"] as? String, "fair")
    }

    func testADeviceThatAnswersWronglyIsNotTimedAndItsAnswersAreGiven() async throws {
        try giveInputs()
        let said = try await run(["-benchmark", "job"], engine: PixelEngine(error: .nan))
        XCTAssertTrue(try XCTUnwrap(said).contains("not timed, this device answers wrongly"), "\(said ?? "")")
        let file = try written()
        XCTAssertEqual(file["error"] as? String, said)
        XCTAssertTrue(file["timing"] is NSNull)
        let golden = try XCTUnwrap(file["golden"] as? [String: Any])
        XCTAssertEqual(golden["agrees"] as? Bool, false)
        XCTAssertTrue(golden["difference"] is NSNull)
        XCTAssertNil(logits)
    }

    func testWithAnEmptyProtocolOnlyLogitsAreComputedEvenWhereTheyAreWrong() async throws {
        try giveInputs()
        let said = try await run(["-benchmark", "job", "-protocol", ""], engine: PixelEngine(error: 1))
        XCTAssertNil(said)
        let file = try written()
        XCTAssertTrue(file["protocol"] is NSNull)
        XCTAssertEqual((file["timing"] as? [String: Any])?["samples_ms"] as? [Double], [])
        XCTAssertEqual(logits?.count, 4 * 9)
    }

    func testWithoutInputsThereAreNoLogits() async throws {
        let said = try await run(["-benchmark", "job"])
        XCTAssertNil(said)
        XCTAssertTrue(try written()["inputs"] is NSNull)
        XCTAssertTrue(try written()["logits"] is NSNull)
        XCTAssertNil(logits)
    }

    func testWhatWentWrongReplacesWhatAnEarlierJobLeft() async throws {
        try giveInputs()
        _ = try await run(["-benchmark", "job"])
        XCTAssertNotNil(logits)
        let cases: [([String], String)] = [
            (["-benchmark", "elsewhere"], "is not an artifact folder"),
            (["-benchmark", "job", "-protocol", "{"], "the timing protocol is not JSON"),
        ]
        for (arguments, wanted) in cases {
            let said = try await run(arguments)
            XCTAssertTrue(try XCTUnwrap(said).contains(wanted), "\(said ?? "")")
            XCTAssertTrue(try written()["timing"] is NSNull)
            XCTAssertNil(logits)
        }
        try Data([1, 2, 3]).write(to: job.appendingPathComponent("inputs.f32"))
        let short = try await run(["-benchmark", "job"])
        XCTAssertTrue(try XCTUnwrap(short).contains("inputs.f32 does not hold whole images of [1, 3, 16, 20]: 3 bytes"))
    }

    func testAModelThatIsNotTheOneOfItsArtifactIsNotRun() async throws {
        try Data("another".utf8).write(to: job.appendingPathComponent("model.onnx"))
        let engine = PixelEngine()
        let said = try await run(["-benchmark", "job"], engine: engine)
        XCTAssertTrue(try XCTUnwrap(said).contains("model.onnx is damaged"), "\(said ?? "")")
        XCTAssertEqual(engine.runs, 0)
    }

    func testARequestHasDefaults() throws {
        XCTAssertNil(BenchmarkRequest(["FerDemo"]))
        XCTAssertNil(BenchmarkRequest(["FerDemo", "-benchmark"]))
        let plain = try XCTUnwrap(BenchmarkRequest(["FerDemo", "-benchmark", "job"]))
        XCTAssertEqual([plain.folder, plain.units, plain.timing], ["job", "all", "{}"])
        XCTAssertEqual(try ComputeUnits.named("cpuOnly"), .cpuOnly)
        XCTAssertThrowsError(try ComputeUnits.named("gpu")) {
            XCTAssertEqual(
                "\($0)", "-units must be one of all, cpuAndNeuralEngine, cpuAndGPU, cpuOnly, got gpu")
        }
        XCTAssertEqual(Set(ComputeUnits.allCases.map(\.title)).count, 4)
    }
}

import Foundation

/// Which app answers, for `timing.json`.
public struct AppFacts: Sendable {
    public let bundleId: String
    public let version: String
    public let build: String
    public let configuration: String

    public init(bundleId: String, version: String, build: String, configuration: String) {
        self.bundleId = bundleId
        self.version = version
        self.build = build
        self.configuration = configuration
    }

    var json: Json {
        .object([
            "bundle_id": .text(bundleId), "version": .text(version), "build": .text(build),
            "configuration": .text(configuration),
        ])
    }
}

/// Which device answers, for `timing.json`.
public struct DeviceFacts: Sendable {
    public let modelIdentifier: String
    public let simulator: Bool
    public let os: String
    public let osVersion: String
    public let osBuild: String?
    public let processors: Int
    public let memoryBytes: Int

    public init(
        modelIdentifier: String, simulator: Bool, os: String, osVersion: String, osBuild: String?, processors: Int,
        memoryBytes: Int
    ) {
        self.modelIdentifier = modelIdentifier
        self.simulator = simulator
        self.os = os
        self.osVersion = osVersion
        self.osBuild = osBuild
        self.processors = processors
        self.memoryBytes = memoryBytes
    }

    /// "iOS 17.5.1 (21F90)".
    public var system: String { "\(os) \(osVersion)\(osBuild.map { " (\($0))" } ?? "")" }

    var json: Json {
        .object([
            "model_identifier": .text(modelIdentifier), "simulator": .bool(simulator), "os": .text(os),
            "os_version": .text(osVersion), "os_build": .some(osBuild), "processors": .int(processors),
            "memory_bytes": .int(memoryBytes),
        ])
    }
}

/// What may bend a measurement, read right before and after it; nil has its reason in `missing`.
public struct PhoneState: Sendable {
    public let thermalState: String
    public let lowPowerMode: Bool
    public let batteryPercent: Double?
    public let charging: Bool?
    public let missing: [String: String]

    public init(
        thermalState: String, lowPowerMode: Bool, batteryPercent: Double?, charging: Bool?, missing: [String: String]
    ) {
        self.thermalState = thermalState
        self.lowPowerMode = lowPowerMode
        self.batteryPercent = batteryPercent
        self.charging = charging
        self.missing = missing
    }

    var json: Json {
        .object([
            "thermal_state": .text(thermalState), "low_power_mode": .bool(lowPowerMode),
            "battery_percent": .some(batteryPercent), "charging": .some(charging),
            "missing": .object(missing.mapValues(Json.text)),
        ])
    }
}

/// `timing.json`, filled as far as the job came: `fer-deploy profile --device iphone --result timing.json` reads it.
struct TimingReport {
    static let file = "timing.json"
    private static let schemaVersion = "1.0"

    let request: BenchmarkRequest
    let app: AppFacts
    let device: DeviceFacts
    let date: Date
    var timing: TimingProtocol?
    var artifact: ArtifactInfo?
    var compileMs: Double?
    var inputs: Json = .null
    var logits: Json = .null
    var outcome: BenchmarkOutcome?
    var error: String?

    var json: Json {
        // The figures of a run that failed are not given, so that nobody takes them for some.
        let done = error == nil ? outcome : nil
        return .object([
            "schema_version": .text(Self.schemaVersion), "made_by": .text("fer-deploy iOS demo"),
            "run_id": .some(request.runId), "date": .text(Self.utc(date)), "app": app.json, "device": device.json,
            "artifact": artifact.map(Self.identity) ?? .null, "compute_units": .text(request.units),
            "protocol": timing?.json ?? .null, "compile_ms": .some(compileMs), "inputs": inputs,
            "logits": error == nil ? logits : .null, "timing": done.map { $0.timing.json($0.verdict) } ?? .null,
            "golden": outcome.map { Self.golden($0.verdict) } ?? .null, "before": outcome?.before.json ?? .null,
            "after": outcome?.after.json ?? .null, "error": .some(error),
        ])
    }

    private static func identity(_ info: ArtifactInfo) -> Json {
        .object([
            "key": .text(info.key), "model": .text(info.model), "target": .text(info.target),
            "recipe": .text(info.recipe), "file": .text(info.file), "sha256": .text(info.sha256),
            "contract_sha256": .text(info.contractSha256), "weights_sha256": .text(info.weightsSha256),
        ])
    }

    private static func golden(_ verdict: GoldenVerdict) -> Json {
        let vectors = verdict.answers.map { answer in
            Json.object([
                "name": .text(answer.name), "difference": .some(answer.difference),
                "logits": .list(answer.logits.map { .some(Double($0)) }),
            ])
        }
        return .object([
            "agrees": .bool(verdict.agrees), "difference": .some(verdict.worst), "tolerance": .number(verdict.allowed),
            "vectors": .list(vectors),
        ])
    }

    private static func utc(_ date: Date) -> String { ISO8601DateFormatter().string(from: date) }
}

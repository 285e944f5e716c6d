/// One timing run of a pushed artifact, asked for by launch arguments:
/// `-benchmark FOLDER` (in the app's Documents), `-units UNITS`, `-protocol JSON`, `-run ID`.
public struct BenchmarkRequest: Equatable, Sendable {
    public let folder: String
    /// The word after `-units`, which may be none that exists.
    public let units: String
    /// The JSON of a ``TimingProtocol``; empty: logits only.
    let timing: String
    let runId: String?

    /// Nil where the app was started to be used.
    public init?(_ arguments: [String]) {
        func value(_ name: String) -> String? {
            arguments.firstIndex(of: name).flatMap { $0 + 1 < arguments.count ? arguments[$0 + 1] : nil }
        }
        guard let folder = value("-benchmark") else { return nil }
        self.folder = folder
        units = value("-units") ?? ComputeUnits.all.rawValue
        timing = value("-protocol") ?? "{}"
        runId = value("-run")
    }
}

/// What of the phone Core ML may use; which of it it does use it tells nobody.
public enum ComputeUnits: String, CaseIterable, Sendable {
    case all, cpuAndNeuralEngine, cpuAndGPU, cpuOnly

    /// Throws ``ArtifactError`` for a word that is none of them.
    public static func named(_ name: String) throws -> ComputeUnits {
        guard let units = ComputeUnits(rawValue: name) else {
            throw ArtifactError("-units must be one of \(allCases.map(\.rawValue).joined(separator: ", ")), got \(name)")
        }
        return units
    }

    /// What the menu says.
    public var title: String {
        switch self {
        case .all: "all units"
        case .cpuAndNeuralEngine: "CPU and Neural Engine"
        case .cpuAndGPU: "CPU and GPU"
        case .cpuOnly: "CPU only"
        }
    }

    /// What the screen says that `artifact` runs on.
    public func runsOn(_ artifact: Artifact) -> String { "\(artifact.info.runtime), \(title)" }
}

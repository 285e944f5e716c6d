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

    var json: Json {
        .object([
            "warmups": .int(warmups), "min_runs": .int(minRuns), "min_seconds": .number(minSeconds),
            "max_seconds": .number(maxSeconds),
        ])
    }
}

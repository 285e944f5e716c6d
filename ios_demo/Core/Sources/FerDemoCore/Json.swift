import Foundation

/// A JSON document to write. Unlike `Encodable` structs it keeps its nulls: what is not known is said, not left out.
enum Json: Encodable {
    case null
    case bool(Bool)
    case int(Int)
    case number(Double)
    case text(String)
    case list([Json])
    case object([String: Json])

    static func some(_ value: String?) -> Json { value.map(Json.text) ?? .null }
    static func some(_ value: Bool?) -> Json { value.map(Json.bool) ?? .null }
    static func some(_ value: Int?) -> Json { value.map(Json.int) ?? .null }
    /// JSON knows no NaN and no infinity: they are null.
    static func some(_ value: Double?) -> Json { value.flatMap { $0.isFinite ? Json.number($0) : nil } ?? .null }

    func encode(to encoder: Encoder) throws {
        var value = encoder.singleValueContainer()
        switch self {
        case .null: try value.encodeNil()
        case .bool(let flag): try value.encode(flag)
        case .int(let number): try value.encode(number)
        case .number(let number): try value.encode(number)
        case .text(let string): try value.encode(string)
        case .list(let items): try value.encode(items)
        case .object(let members): try value.encode(members)
        }
    }

    func data() throws -> Data {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
        return try encoder.encode(self)
    }
}

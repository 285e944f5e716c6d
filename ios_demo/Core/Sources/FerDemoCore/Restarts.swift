/// How often a camera that failed is started again before it is given up: a few times, then no more until it runs.
public struct Restarts: Sendable {
    private static let most = 3
    private var tried = 0

    public init() {}

    /// Whether to try once more.
    public mutating func again() -> Bool {
        tried += 1
        return tried <= Self.most
    }

    /// A picture came.
    public mutating func works() { tried = 0 }
}

/// How many frames a second come through and what each takes from its arrival to its answer, over the last ones.
struct FrameTimes {
    private static let frames = 60
    /// After a longer pause (nanoseconds) what was before says nothing of now.
    private static let pause: UInt64 = 2_000_000_000

    private var ends: [UInt64] = []
    private var tookMs: [Double] = []

    /// A frame that arrived and was done at these times, in nanoseconds, in rising order.
    mutating func add(arrived: UInt64, done: UInt64) {
        if let last = ends.last, done - last > Self.pause {
            ends = []
            tookMs = []
        }
        ends.append(done)
        tookMs.append(Benchmark.milliseconds(done - arrived))
        ends.removeFirst(max(0, ends.count - Self.frames))
        tookMs.removeFirst(max(0, tookMs.count - Self.frames))
    }

    /// Frames per second, or nil before the second frame.
    var perSecond: Double? {
        guard let first = ends.first, let last = ends.last, last > first else { return nil }
        return Double(ends.count - 1) * 1e9 / Double(last - first)
    }

    /// The median of milliseconds from arrival to answer, or nil before the first frame.
    var medianMs: Double? { tookMs.isEmpty ? nil : quantile(tookMs, 0.5) }
}

/// A rectangle in pixels; `right` and `bottom` are exclusive.
public struct Box: Equatable, Sendable {
    public let left: Int
    public let top: Int
    public let right: Int
    public let bottom: Int

    public var width: Int { right - left }
    public var height: Int { bottom - top }

    /// Nil when the rectangle is empty.
    public init?(left: Int, top: Int, right: Int, bottom: Int) {
        guard left < right, top < bottom else { return nil }
        self.init(unchecked: (left, top, right, bottom))
    }

    private init(unchecked edges: (Int, Int, Int, Int)) {
        (left, top, right, bottom) = edges
    }

    /// Returns the box with `margin` times its width and height added on each side, rounded half up.
    public func widened(by margin: Double) -> Box {
        let dx = Int(Double(width) * margin + 0.5)
        let dy = Int(Double(height) * margin + 0.5)
        return Box(unchecked: (left - dx, top - dy, right + dx, bottom + dy))
    }

    /// Returns the pixels of Vision's normalised rectangle, whose origin is the picture's lower left corner, in a
    /// picture of `imageWidth` x `imageHeight`; nil when nothing of it is left after rounding.
    public static func fromVision(
        x: Double, y: Double, width: Double, height: Double, imageWidth: Int, imageHeight: Int
    ) -> Box? {
        Box(
            left: Int((x * Double(imageWidth)).rounded()),
            top: Int(((1 - y - height) * Double(imageHeight)).rounded()),
            right: Int(((x + width) * Double(imageWidth)).rounded()),
            bottom: Int(((1 - y) * Double(imageHeight)).rounded()))
    }
}

/// A picture: `bytes` holds red, green, blue per pixel, row by row; `height` rows of `width` pixels.
public struct RgbImage: Sendable {
    public let width: Int
    public let height: Int
    public let bytes: [UInt8]

    public init(width: Int, height: Int, bytes: [UInt8]) {
        precondition(width > 0 && height > 0, "an image of \(width) x \(height) has no pixels")
        precondition(bytes.count == 3 * width * height, "\(bytes.count) bytes are no RGB image of \(width) x \(height)")
        self.width = width
        self.height = height
        self.bytes = bytes
    }

    /// Takes a camera's frame: blue, green, red and one byte to skip per pixel, `bytesPerRow` bytes a row.
    public init(width: Int, height: Int, bgra: UnsafeRawBufferPointer, bytesPerRow: Int) {
        precondition(bgra.count >= (height - 1) * bytesPerRow + 4 * width, "the buffer is too small for the frame")
        var bytes = [UInt8](repeating: 0, count: 3 * width * height)
        var to = 0
        for y in 0..<height {
            for from in stride(from: y * bytesPerRow, to: y * bytesPerRow + 4 * width, by: 4) {
                bytes[to] = bgra[from + 2]
                bytes[to + 1] = bgra[from + 1]
                bytes[to + 2] = bgra[from]
                to += 3
            }
        }
        self.init(width: width, height: height, bytes: bytes)
    }

    /// Returns the picture turned clockwise by `turns` quarter turns, as camera sensors need to stand upright.
    public func turnedClockwise(_ turns: Int) -> RgbImage {
        let quarter = ((turns % 4) + 4) % 4
        if quarter == 0 { return self }
        let (newWidth, newHeight) = quarter == 2 ? (width, height) : (height, width)
        var out = [UInt8](repeating: 0, count: bytes.count)
        for y in 0..<newHeight {
            for x in 0..<newWidth {
                let from: Int
                switch quarter {
                case 1: from = (height - 1 - x) * width + y
                case 2: from = (height - 1 - y) * width + (width - 1 - x)
                default: from = x * width + (width - 1 - y)
                }
                for channel in 0..<3 { out[3 * (y * newWidth + x) + channel] = bytes[3 * from + channel] }
            }
        }
        return RgbImage(width: newWidth, height: newHeight, bytes: out)
    }

    /// Returns the pixels inside `box`; what lies outside the picture is black.
    public func cropped(to box: Box) -> RgbImage {
        var out = [UInt8](repeating: 0, count: 3 * box.width * box.height)
        let columns = (max(box.left, 0), min(box.right, width))
        let rows = (max(box.top, 0), min(box.bottom, height))
        if columns.0 < columns.1, rows.0 < rows.1 {
            for y in rows.0..<rows.1 {
                let from = 3 * (y * width + columns.0)
                let to = 3 * ((y - box.top) * box.width + columns.0 - box.left)
                let count = 3 * (columns.1 - columns.0)
                out.replaceSubrange(to..<(to + count), with: bytes[from..<(from + count)])
            }
        }
        return RgbImage(width: box.width, height: box.height, bytes: out)
    }
}

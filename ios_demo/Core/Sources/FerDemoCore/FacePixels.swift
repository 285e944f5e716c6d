/// From an upright picture and a face box to the network's pixels: the same bytes as the Python reference
/// `fer_deploy/data/preprocess.py`, which is Pillow's integer arithmetic.
public enum FacePixels {
    /// Fractional bits of Pillow's resampling weights.
    private static let bits = 22

    /// Returns pixels (C, H, W) of the face in `box`, widened by the contract's margin; nil: all of `image`.
    public static func of(_ image: RgbImage, _ spec: InputSpec, box: Box?) -> [UInt8] {
        let face = box.map { image.cropped(to: $0.widened(by: spec.cropMargin)) } ?? image
        let planes = spec.colour == .grey ? [luma(face)] : (0..<3).map { plane(face, $0) }
        return planes.flatMap { resized($0, width: face.width, height: face.height, spec) }
    }

    /// Returns `pixels` as the floats 0..255 that the network takes.
    public static func floats(_ pixels: [UInt8]) -> [Float] { pixels.map(Float.init) }

    private static func plane(_ image: RgbImage, _ channel: Int) -> [UInt8] {
        (0..<(image.width * image.height)).map { image.bytes[3 * $0 + channel] }
    }

    /// ITU-R 601 luma with 16 fractional bits, rounded half up.
    private static func luma(_ image: RgbImage) -> [UInt8] {
        var out = [UInt8](repeating: 0, count: image.width * image.height)
        for index in out.indices {
            let red = Int(image.bytes[3 * index])
            let green = Int(image.bytes[3 * index + 1])
            let blue = Int(image.bytes[3 * index + 2])
            let weighed: Int = 19595 * red + 38470 * green + 7471 * blue
            out[index] = UInt8((weighed + 0x8000) >> 16)
        }
        return out
    }

    /// Along the width first, rounded to 8 bits, then along the height.
    private static func resized(_ pixels: [UInt8], width: Int, height: Int, _ spec: InputSpec) -> [UInt8] {
        var across = [UInt8](repeating: 0, count: spec.width * height)
        for (x, tap) in taps(length: width, size: spec.width, spec.resize).enumerated() {
            for y in 0..<height {
                across[y * spec.width + x] = weighed(pixels, from: y * width + tap.first, step: 1, tap.weights)
            }
        }
        var out = [UInt8](repeating: 0, count: spec.width * spec.height)
        for (y, tap) in taps(length: height, size: spec.height, spec.resize).enumerated() {
            for x in 0..<spec.width {
                out[y * spec.width + x] = weighed(
                    across, from: tap.first * spec.width + x, step: spec.width, tap.weights)
            }
        }
        return out
    }

    private static func weighed(_ pixels: [UInt8], from: Int, step: Int, _ weights: [Int]) -> UInt8 {
        var sum = 1 << (bits - 1)
        var at = from
        for weight in weights {
            sum += weight * Int(pixels[at])
            at += step
        }
        return UInt8(min(max(sum >> bits, 0), 255))
    }

    /// The weights of one output pixel, for the input pixels from `first` on.
    private struct Tap {
        let first: Int
        let weights: [Int]
    }

    private static func taps(length: Int, size: Int, _ kernel: Kernel) -> [Tap] {
        let scale = Double(length) / Double(size)
        let stretch = max(scale, 1)
        let support = stretch * (kernel == .bilinear ? 1 : 2)
        return (0..<size).map { index in
            let center = (Double(index) + 0.5) * scale
            let first = max(Int(center - support + 0.5), 0)
            let last = min(Int(center + support + 0.5), length)
            let weights = (first..<last).map { value((Double($0) - center + 0.5) * (1 / stretch), kernel) }
            let total = weights.reduce(0, +)
            return Tap(first: first, weights: weights.map { fixed(total != 0 ? $0 / total : $0) })
        }
    }

    private static func fixed(_ weight: Double) -> Int {
        Int(weight * Double(1 << bits) + (weight < 0 ? -0.5 : 0.5))
    }

    /// Triangle, or Keys' cubic with a = -0.5.
    private static func value(_ offset: Double, _ kernel: Kernel) -> Double {
        let x = abs(offset)
        let a = -0.5
        if kernel == .bilinear { return x < 1 ? 1 - x : 0 }
        if x < 1 { return ((a + 2) * x - (a + 3)) * x * x + 1 }
        return x < 2 ? (((x - 5) * x + 8) * x - 4) * a : 0
    }
}

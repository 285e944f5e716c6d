import AVFoundation
import FerDemoCore
import Vision

/// From a camera's buffer to pixels and the face in them.
enum CameraPicture {
    static func image(_ buffer: CVPixelBuffer) -> RgbImage? {
        CVPixelBufferLockBaseAddress(buffer, .readOnly)
        defer { CVPixelBufferUnlockBaseAddress(buffer, .readOnly) }
        guard let address = CVPixelBufferGetBaseAddress(buffer) else { return nil }
        let height = CVPixelBufferGetHeight(buffer)
        let bytesPerRow = CVPixelBufferGetBytesPerRow(buffer)
        return RgbImage(
            width: CVPixelBufferGetWidth(buffer), height: height,
            bgra: UnsafeRawBufferPointer(start: address, count: height * bytesPerRow), bytesPerRow: bytesPerRow)
    }

    /// The largest face that Vision finds. A failure of Vision is a picture without a face.
    static func face(_ buffer: CVPixelBuffer, _ image: RgbImage) -> Box? {
        let request = VNDetectFaceRectanglesRequest()
        try? VNImageRequestHandler(cvPixelBuffer: buffer, orientation: .up, options: [:]).perform([request])
        let rectangles = (request.results ?? []).map(\.boundingBox)
        let largest = rectangles.max { $0.width * $0.height < $1.width * $1.height }
        return largest.flatMap {
            Box.fromVision(
                x: $0.minX, y: $0.minY, width: $0.width, height: $0.height, imageWidth: image.width,
                imageHeight: image.height)
        }
    }
}

extension RgbImage {
    var cgImage: CGImage? {
        CGDataProvider(data: NSData(data: Data(bytes)) as CFData).flatMap {
            CGImage(
                width: width, height: height, bitsPerComponent: 8, bitsPerPixel: 24, bytesPerRow: 3 * width,
                space: CGColorSpaceCreateDeviceRGB(), bitmapInfo: CGBitmapInfo(rawValue: CGImageAlphaInfo.none.rawValue),
                provider: $0, decode: nil, shouldInterpolate: true, intent: .defaultIntent)
        }
    }
}

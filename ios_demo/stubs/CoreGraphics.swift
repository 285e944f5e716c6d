@_exported import Foundation

public typealias CFData = NSData

public final class CGColorSpace {}
public func CGColorSpaceCreateDeviceRGB() -> CGColorSpace { CGColorSpace() }

public final class CGDataProvider {
    public init?(data: CFData) {}
}

public enum CGImageAlphaInfo: UInt32, Sendable {
    case none = 0
}

public struct CGBitmapInfo: OptionSet, Sendable {
    public let rawValue: UInt32
    public init(rawValue: UInt32) { self.rawValue = rawValue }
}

public enum CGColorRenderingIntent: Int32, Sendable {
    case defaultIntent = 0
}

public final class CGImage: Sendable {
    public let width: Int
    public init?(
        width: Int, height: Int, bitsPerComponent: Int, bitsPerPixel: Int, bytesPerRow: Int, space: CGColorSpace,
        bitmapInfo: CGBitmapInfo, provider: CGDataProvider, decode: UnsafePointer<CGFloat>?, shouldInterpolate: Bool,
        intent: CGColorRenderingIntent
    ) { self.width = width }
}

public enum CGImagePropertyOrientation: UInt32, Sendable {
    case up = 1
}

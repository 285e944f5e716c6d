@_exported import AVFoundation

public class VNRequest: NSObject {}

public final class VNFaceObservation: NSObject {
    public var boundingBox: CGRect { fatalError() }
}

public final class VNDetectFaceRectanglesRequest: VNRequest {
    public override init() {}
    public var results: [VNFaceObservation]? { fatalError() }
}

public struct VNImageOption: Hashable, Sendable {}

public final class VNImageRequestHandler: NSObject {
    public init(
        cvPixelBuffer: CVPixelBuffer, orientation: CGImagePropertyOrientation, options: [VNImageOption: Any]
    ) {}
    public func perform(_ requests: [VNRequest]) throws {}
}

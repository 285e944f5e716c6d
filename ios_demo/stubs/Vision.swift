@_exported import AVFoundation

public class VNRequest: NSObject {}

public final class VNFaceObservation: NSObject {
    public let boundingBox: CGRect
    init(_ box: CGRect) { boundingBox = box }
}

public final class VNDetectFaceRectanglesRequest: VNRequest {
    public override init() {}
    public internal(set) var results: [VNFaceObservation]?
}

public struct VNImageOption: Hashable, Sendable {}

public final class VNImageRequestHandler: NSObject {
    public init(
        cvPixelBuffer: CVPixelBuffer, orientation: CGImagePropertyOrientation, options: [VNImageOption: Any]
    ) {}
    public func perform(_ requests: [VNRequest]) throws {
        for case let request as VNDetectFaceRectanglesRequest in requests {
            request.results = PlayedFace.boxes.map(VNFaceObservation.init)
        }
    }
}

/// The faces in every picture, for ../play.
public enum PlayedFace {
    nonisolated(unsafe) public static var boxes = [CGRect(x: 0.25, y: 0.25, width: 0.5, height: 0.5)]
}

@preconcurrency import AVFoundation
import FerDemoCore
import Vision

/// The front camera: hands every picture it has time for to `onSeen`, upright and cut to its middle square, on its own
/// queue. Pictures are dropped while `onSeen` works; none is kept.
final class Camera: NSObject, AVCaptureVideoDataOutputSampleBufferDelegate, @unchecked Sendable {
    private let session = AVCaptureSession()
    private let queue = DispatchQueue(label: "camera")
    private let onSeen: (Seen) -> Void

    init(onSeen: @escaping (Seen) -> Void) {
        self.onSeen = onSeen
    }

    /// Asks for the camera and starts the pictures.
    func start() async throws {
        guard await AVCaptureDevice.requestAccess(for: .video) else {
            throw ArtifactError("the demo needs the camera: allow it in Settings")
        }
        guard let device = AVCaptureDevice.default(.builtInWideAngleCamera, for: .video, position: .front) else {
            throw ArtifactError("this device has no front camera")
        }
        let output = AVCaptureVideoDataOutput()
        output.videoSettings = [kCVPixelBufferPixelFormatTypeKey as String: kCVPixelFormatType_32BGRA]
        output.alwaysDiscardsLateVideoFrames = true
        output.setSampleBufferDelegate(self, queue: queue)
        session.sessionPreset = .vga640x480
        session.addInput(try AVCaptureDeviceInput(device: device))
        session.addOutput(output)
        if let connection = output.connection(with: .video) {
            // The sensor lies on its side; a quarter turn makes portrait pictures stand upright.
            connection.videoRotationAngle = 90
            // The network sees what the camera sees, not a mirror.
            connection.automaticallyAdjustsVideoMirroring = false
            connection.isVideoMirrored = false
        }
        queue.async { [session] in session.startRunning() }
    }

    func captureOutput(
        _ output: AVCaptureOutput, didOutput sampleBuffer: CMSampleBuffer, from connection: AVCaptureConnection
    ) {
        guard let buffer = CMSampleBufferGetImageBuffer(sampleBuffer), let image = Self.image(buffer) else { return }
        onSeen(Seen(middleOf: image, face: Self.face(buffer, image)))
    }

    private static func image(_ buffer: CVPixelBuffer) -> RgbImage? {
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
    private static func face(_ buffer: CVPixelBuffer, _ image: RgbImage) -> Box? {
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

@preconcurrency import AVFoundation
import FerDemoCore
import Vision

/// The front camera: hands every picture it has time for to its user, upright and cut to its middle square, on its own
/// queue. Pictures are dropped while the user works; none is kept.
///
/// Everything but `init` and `start` happens on `queue`.
final class Camera: NSObject, AVCaptureVideoDataOutputSampleBufferDelegate, @unchecked Sendable {
    private let session = AVCaptureSession()
    private let output = AVCaptureVideoDataOutput()
    private let queue = DispatchQueue(label: "camera")
    private let onProblem: @Sendable (String) -> Void
    private var onSeen: (@Sendable (Seen) -> Void)?
    private var rotation: NSKeyValueObservation?
    private var coordinator: AVCaptureDevice.RotationCoordinator?
    private var observers: [NSObjectProtocol] = []
    private var restarts = Restarts()
    /// Between `start` and `stop`: nothing else starts a camera that nobody looks through.
    private var wanted = false

    /// `onProblem` is told why no pictures come; the next picture says that they come again.
    init(onProblem: @escaping @Sendable (String) -> Void) {
        self.onProblem = onProblem
    }

    /// Hands pictures to `onSeen` from the next one on, and none to who had them before.
    func use(_ onSeen: @escaping @Sendable (Seen) -> Void) {
        queue.async { self.onSeen = onSeen }
    }

    /// Asks for the camera, if nobody has answered yet, and starts the pictures. Throws ``CameraProblem``.
    func start() async throws {
        try await CameraPermission.require()
        try await withCheckedThrowingContinuation { (done: CheckedContinuation<Void, any Error>) in
            queue.async { done.resume(with: Result { try self.configure() }) }
        }
    }

    /// No pictures until the next `start`.
    func stop() {
        queue.async {
            self.wanted = false
            self.session.stopRunning()
        }
    }

    private func configure() throws {
        if session.inputs.isEmpty { try connect() }
        if observers.isEmpty { observe() }
        wanted = true
        resume()
    }

    /// Asks before each call that raises an exception where it is not allowed.
    private func connect() throws {
        guard let device = AVCaptureDevice.default(.builtInWideAngleCamera, for: .video, position: .front) else {
            throw CameraProblem("this device has no front camera")
        }
        let input: AVCaptureDeviceInput
        do {
            input = try AVCaptureDeviceInput(device: device)
        } catch {
            throw CameraProblem("the front camera cannot be opened: \(error.localizedDescription)")
        }
        session.beginConfiguration()
        defer { session.commitConfiguration() }
        guard session.canAddInput(input) else { throw CameraProblem("the front camera cannot be used now") }
        guard output.availableVideoPixelFormatTypes.contains(kCVPixelFormatType_32BGRA) else {
            throw CameraProblem("the front camera gives no pictures that this app can read")
        }
        output.videoSettings = [kCVPixelBufferPixelFormatTypeKey as String: kCVPixelFormatType_32BGRA]
        output.alwaysDiscardsLateVideoFrames = true
        output.setSampleBufferDelegate(self, queue: queue)
        // Larger pictures work as well, only slower.
        if session.canSetSessionPreset(.vga640x480) { session.sessionPreset = .vga640x480 }
        session.addInput(input)
        guard session.canAddOutput(output) else {
            session.removeInput(input)
            throw CameraProblem("the front camera gives no pictures to this app")
        }
        session.addOutput(output)
        if let connection = output.connection(with: .video), connection.isVideoMirroringSupported {
            // The network sees what the camera sees, not a mirror; the screen mirrors what it draws.
            connection.automaticallyAdjustsVideoMirroring = false
            connection.isVideoMirrored = false
        }
        keepUpright(device)
    }

    /// Turns the pictures as the device is held: how its sensor lies is the coordinator's business.
    private func keepUpright(_ device: AVCaptureDevice) {
        let coordinator = AVCaptureDevice.RotationCoordinator(device: device, previewLayer: nil)
        self.coordinator = coordinator
        rotation = coordinator.observe(\.videoRotationAngleForHorizonLevelCapture, options: [.new]) { [weak self] now, _ in
            let angle = now.videoRotationAngleForHorizonLevelCapture
            guard let self else { return }
            self.queue.async { self.turn(angle) }
        }
        turn(coordinator.videoRotationAngleForHorizonLevelCapture)
    }

    private func turn(_ angle: CGFloat) {
        guard let connection = output.connection(with: .video), connection.isVideoRotationAngleSupported(angle) else {
            return fail("the front camera's pictures cannot be turned upright (by \(Int(angle)) degrees)")
        }
        connection.videoRotationAngle = angle
        unturned = nil
    }

    /// Why the pictures lie on their side; the network is given none of those.
    private var unturned: String?

    private func fail(_ problem: String) {
        unturned = problem
        onProblem(problem)
    }

    func captureOutput(
        _ output: AVCaptureOutput, didOutput sampleBuffer: CMSampleBuffer, from connection: AVCaptureConnection
    ) {
        let arrived = Benchmark.uptime()
        restarts.works()
        guard unturned == nil, let onSeen, let buffer = CMSampleBufferGetImageBuffer(sampleBuffer),
            let image = CameraPicture.image(buffer)
        else { return }
        onSeen(Seen(middleOf: image, face: CameraPicture.face(buffer, image), arrived: arrived))
    }

    // MARK: interruptions

    private func observe() {
        func on(_ name: Notification.Name, _ action: @escaping @Sendable (Camera, Notification) -> Void) {
            let center = NotificationCenter.default
            let observer = center.addObserver(forName: name, object: session, queue: nil) { [weak self] note in
                if let self { action(self, note) }
            }
            observers.append(observer)
        }
        on(AVCaptureSession.wasInterruptedNotification) { camera, note in
            let reason = note.userInfo?[AVCaptureSessionInterruptionReasonKey] as? Int
            camera.onProblem(Interruption.why(reason))
        }
        on(AVCaptureSession.interruptionEndedNotification) { camera, _ in camera.queue.async { camera.resume() } }
        on(AVCaptureSession.runtimeErrorNotification) { camera, note in
            let error = note.userInfo?[AVCaptureSessionErrorKey] as? any Error
            let problem = error.map { $0.localizedDescription } ?? "no reason given"
            camera.queue.async { camera.restart(after: problem) }
        }
    }

    private func resume() {
        if wanted, !session.isRunning { session.startRunning() }
    }

    /// Media services that were reset and the like: the session has stopped, and starting it again helps or does not.
    private func restart(after problem: String) {
        onProblem("the camera failed: \(problem)")
        guard restarts.again() else { return }
        queue.asyncAfter(deadline: .now() + 1) { [weak self] in self?.resume() }
    }

    deinit {
        observers.forEach(NotificationCenter.default.removeObserver)
        session.stopRunning()
    }
}

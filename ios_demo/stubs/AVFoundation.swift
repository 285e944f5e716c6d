@_exported import CoreGraphics
@_exported import Dispatch
@_exported import Foundation

public typealias CVReturn = Int32
public class CVBuffer {
    let bytes: UnsafeMutableRawBufferPointer
    let side: Int

    /// A square picture whose bytes rise.
    public init(side: Int) {
        self.side = side
        bytes = .allocate(byteCount: 4 * side * side, alignment: 16)
        for index in bytes.indices { bytes[index] = UInt8(truncatingIfNeeded: index * 7) }
    }
    deinit { bytes.deallocate() }
}
public typealias CVImageBuffer = CVBuffer
public typealias CVPixelBuffer = CVImageBuffer
public final class CMSampleBuffer {
    let image = CVPixelBuffer(side: 60)
}

public struct CVPixelBufferLockFlags: OptionSet, Sendable {
    public let rawValue: UInt64
    public init(rawValue: UInt64) { self.rawValue = rawValue }
    public static let readOnly = CVPixelBufferLockFlags(rawValue: 1)
}

public let kCVPixelBufferPixelFormatTypeKey: String = "PixelFormatType"
public typealias OSType = UInt32
public let kCVPixelFormatType_32BGRA: OSType = 0x4247_5241

public func CMSampleBufferGetImageBuffer(_ sbuf: CMSampleBuffer) -> CVImageBuffer? { sbuf.image }
@discardableResult
public func CVPixelBufferLockBaseAddress(_ buffer: CVPixelBuffer, _ flags: CVPixelBufferLockFlags) -> CVReturn { 0 }
@discardableResult
public func CVPixelBufferUnlockBaseAddress(_ buffer: CVPixelBuffer, _ flags: CVPixelBufferLockFlags) -> CVReturn { 0 }
public func CVPixelBufferGetBaseAddress(_ buffer: CVPixelBuffer) -> UnsafeMutableRawPointer? { buffer.bytes.baseAddress }
public func CVPixelBufferGetWidth(_ buffer: CVPixelBuffer) -> Int { buffer.side }
public func CVPixelBufferGetHeight(_ buffer: CVPixelBuffer) -> Int { buffer.side }
public func CVPixelBufferGetBytesPerRow(_ buffer: CVPixelBuffer) -> Int { 4 * buffer.side }

public class CALayer: NSObject {}

public enum AVAuthorizationStatus: Int, Sendable {
    case notDetermined, restricted, denied, authorized
}

// Of Foundation on Apple's systems: key-value observing, which Linux has none of.
public struct NSKeyValueObservingOptions: OptionSet, Sendable {
    public let rawValue: UInt
    public init(rawValue: UInt) { self.rawValue = rawValue }
    public static let new = NSKeyValueObservingOptions(rawValue: 1)
}
public struct NSKeyValueObservedChange<Value> {}
public final class NSKeyValueObservation: NSObject {}

public let AVCaptureSessionInterruptionReasonKey: String = "AVCaptureSessionInterruptionReasonKey"
public let AVCaptureSessionErrorKey: String = "AVCaptureSessionErrorKey"

public struct AVMediaType: Sendable {
    public static let video = AVMediaType()
}

public class AVCaptureInput: NSObject {}
public class AVCaptureOutput: NSObject {
    let connection = AVCaptureConnection()
    public func connection(with mediaType: AVMediaType) -> AVCaptureConnection? { connection }
}

public final class AVCaptureConnection: NSObject {
    public func isVideoRotationAngleSupported(_ videoRotationAngle: CGFloat) -> Bool {
        Played.angles.contains(videoRotationAngle)
    }
    public var isVideoMirroringSupported: Bool { Played.canMirror }
    public var videoRotationAngle: CGFloat = 0 {
        didSet { raises(unless: Played.angles.contains(videoRotationAngle)) }
    }
    public var automaticallyAdjustsVideoMirroring = true
    public var isVideoMirrored = false {
        didSet { raises(unless: Played.canMirror && !automaticallyAdjustsVideoMirroring) }
    }
}

public final class AVCaptureDevice: NSObject {
    public struct DeviceType: Sendable {
        public static let builtInWideAngleCamera = DeviceType()
    }
    public enum Position: Int, Sendable {
        case unspecified, back, front
    }
    public final class RotationCoordinator: NSObject {
        public init(device: AVCaptureDevice, previewLayer: CALayer?) {}
        public var videoRotationAngleForHorizonLevelCapture: CGFloat { Played.angle }
        public func observe<Value>(
            _ keyPath: KeyPath<RotationCoordinator, Value>, options: NSKeyValueObservingOptions,
            changeHandler: @escaping (RotationCoordinator, NSKeyValueObservedChange<Value>) -> Void
        ) -> NSKeyValueObservation {
            Played.onTurn = { changeHandler(self, NSKeyValueObservedChange()) }
            return NSKeyValueObservation()
        }
    }
    public class func authorizationStatus(for mediaType: AVMediaType) -> AVAuthorizationStatus { Played.status }
    public class func requestAccess(for mediaType: AVMediaType) async -> Bool {
        Played.asked += 1
        if Played.status == .notDetermined { Played.status = Played.answer ? .authorized : .denied }
        return Played.status == .authorized
    }
    public class func `default`(
        _ deviceType: DeviceType, for mediaType: AVMediaType?, position: Position
    ) -> AVCaptureDevice? { Played.hasCamera ? AVCaptureDevice() : nil }
}

public final class AVCaptureDeviceInput: AVCaptureInput {
    public init(device: AVCaptureDevice) throws {}
}

public protocol AVCaptureVideoDataOutputSampleBufferDelegate: NSObjectProtocol {
    func captureOutput(
        _ output: AVCaptureOutput, didOutput sampleBuffer: CMSampleBuffer, from connection: AVCaptureConnection)
}

public final class AVCaptureVideoDataOutput: AVCaptureOutput {
    weak var delegate: (any AVCaptureVideoDataOutputSampleBufferDelegate)?
    var queue: DispatchQueue?
    public override init() {}
    public var videoSettings: [String: Any]! = [:]
    public var availableVideoPixelFormatTypes: [OSType] { [kCVPixelFormatType_32BGRA] }
    public var alwaysDiscardsLateVideoFrames = true
    public func setSampleBufferDelegate(
        _ delegate: (any AVCaptureVideoDataOutputSampleBufferDelegate)?, queue: DispatchQueue?
    ) {
        self.delegate = delegate
        self.queue = queue
    }
}

public final class AVCaptureSession: NSObject {
    public struct Preset: Sendable {
        public static let vga640x480 = Preset()
    }
    public enum InterruptionReason: Int, Sendable {
        case videoDeviceNotAvailableInBackground = 1
        case audioDeviceInUseByAnotherClient, videoDeviceInUseByAnotherClient
        case videoDeviceNotAvailableWithMultipleForegroundApps, videoDeviceNotAvailableDueToSystemPressure
    }
    public static let wasInterruptedNotification = NSNotification.Name("AVCaptureSessionWasInterrupted")
    public static let interruptionEndedNotification = NSNotification.Name("AVCaptureSessionInterruptionEnded")
    public static let runtimeErrorNotification = NSNotification.Name("AVCaptureSessionRuntimeError")
    public override init() {
        super.init()
        Played.session = self
    }
    public var sessionPreset = Preset.vga640x480
    public func canSetSessionPreset(_ preset: Preset) -> Bool { true }
    public private(set) var inputs: [AVCaptureInput] = []
    var outputs: [AVCaptureOutput] = []
    private var configuring = false
    public func canAddInput(_ input: AVCaptureInput) -> Bool { Played.canAddInput && inputs.isEmpty }
    public func canAddOutput(_ output: AVCaptureOutput) -> Bool { Played.canAddOutput && outputs.isEmpty }
    public func addInput(_ input: AVCaptureInput) {
        raises(unless: canAddInput(input))
        inputs.append(input)
    }
    public func removeInput(_ input: AVCaptureInput) { inputs.removeAll { $0 === input } }
    public func addOutput(_ output: AVCaptureOutput) {
        raises(unless: canAddOutput(output))
        outputs.append(output)
    }
    public func beginConfiguration() { configuring = true }
    public func commitConfiguration() { configuring = false }
    public internal(set) var isRunning = false
    public func startRunning() {
        raises(unless: !configuring)
        Played.starts += 1
        isRunning = true
    }
    public func stopRunning() {
        raises(unless: !configuring)
        isRunning = false
    }
}

/// AVFoundation answers what is not allowed with an Objective-C exception, which ends a Swift program.
func raises(unless allowed: Bool, _ function: String = #function) {
    precondition(allowed, "NSInvalidArgumentException: \(function)")
}

/// What the pretended camera does and was asked, for ../play.
public enum Played {
    nonisolated(unsafe) public static var status = AVAuthorizationStatus.authorized
    nonisolated(unsafe) public static var answer = true
    nonisolated(unsafe) public static var asked = 0
    nonisolated(unsafe) public static var hasCamera = true
    nonisolated(unsafe) public static var canAddInput = true
    nonisolated(unsafe) public static var canAddOutput = true
    nonisolated(unsafe) public static var canMirror = true
    nonisolated(unsafe) public static var angles: Set<CGFloat> = [0, 90, 180, 270]
    nonisolated(unsafe) public static var angle: CGFloat = 90
    nonisolated(unsafe) public static var starts = 0
    nonisolated(unsafe) public internal(set) static weak var session: AVCaptureSession?
    nonisolated(unsafe) static var onTurn: () -> Void = {}

    public static func turn(to angle: CGFloat) {
        self.angle = angle
        onTurn()
    }

    /// One picture, if the camera runs; returns the connection that it comes through.
    @discardableResult
    public static func picture() -> AVCaptureConnection? {
        guard let session, session.isRunning, let output = session.outputs.first as? AVCaptureVideoDataOutput else {
            return nil
        }
        output.queue?.sync {
            output.delegate?.captureOutput(output, didOutput: CMSampleBuffer(), from: output.connection)
        }
        return output.connection
    }

    /// What the system posts; it has stopped the camera before.
    public static func post(_ name: NSNotification.Name, _ userInfo: [String: Any] = [:]) {
        session?.isRunning = false
        NotificationCenter.default.post(name: name, object: session, userInfo: userInfo)
    }
}

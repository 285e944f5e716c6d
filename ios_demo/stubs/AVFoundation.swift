@_exported import CoreGraphics
@_exported import Dispatch
@_exported import Foundation

public typealias CVReturn = Int32
public class CVBuffer {}
public typealias CVImageBuffer = CVBuffer
public typealias CVPixelBuffer = CVImageBuffer
public final class CMSampleBuffer {}

public struct CVPixelBufferLockFlags: OptionSet, Sendable {
    public let rawValue: UInt64
    public init(rawValue: UInt64) { self.rawValue = rawValue }
    public static let readOnly = CVPixelBufferLockFlags(rawValue: 1)
}

public let kCVPixelBufferPixelFormatTypeKey: String = ""
public typealias OSType = UInt32
public let kCVPixelFormatType_32BGRA: OSType = 0

public func CMSampleBufferGetImageBuffer(_ sbuf: CMSampleBuffer) -> CVImageBuffer? { fatalError() }
@discardableResult
public func CVPixelBufferLockBaseAddress(_ buffer: CVPixelBuffer, _ flags: CVPixelBufferLockFlags) -> CVReturn { 0 }
@discardableResult
public func CVPixelBufferUnlockBaseAddress(_ buffer: CVPixelBuffer, _ flags: CVPixelBufferLockFlags) -> CVReturn { 0 }
public func CVPixelBufferGetBaseAddress(_ buffer: CVPixelBuffer) -> UnsafeMutableRawPointer? { fatalError() }
public func CVPixelBufferGetWidth(_ buffer: CVPixelBuffer) -> Int { 0 }
public func CVPixelBufferGetHeight(_ buffer: CVPixelBuffer) -> Int { 0 }
public func CVPixelBufferGetBytesPerRow(_ buffer: CVPixelBuffer) -> Int { 0 }

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

public let AVCaptureSessionInterruptionReasonKey: String = ""
public let AVCaptureSessionErrorKey: String = ""

public struct AVMediaType: Sendable {
    public static let video = AVMediaType()
}

public class AVCaptureInput: NSObject {}
public class AVCaptureOutput: NSObject {
    public func connection(with mediaType: AVMediaType) -> AVCaptureConnection? { fatalError() }
}

public final class AVCaptureConnection: NSObject {
    public func isVideoRotationAngleSupported(_ videoRotationAngle: CGFloat) -> Bool { fatalError() }
    public var isVideoMirroringSupported: Bool { fatalError() }
    public var videoRotationAngle: CGFloat = 0
    public var automaticallyAdjustsVideoMirroring = true
    public var isVideoMirrored = false
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
        public var videoRotationAngleForHorizonLevelCapture: CGFloat { fatalError() }
        public func observe<Value>(
            _ keyPath: KeyPath<RotationCoordinator, Value>, options: NSKeyValueObservingOptions,
            changeHandler: @escaping (RotationCoordinator, NSKeyValueObservedChange<Value>) -> Void
        ) -> NSKeyValueObservation { fatalError() }
    }
    public class func authorizationStatus(for mediaType: AVMediaType) -> AVAuthorizationStatus { fatalError() }
    public class func requestAccess(for mediaType: AVMediaType) async -> Bool { fatalError() }
    public class func `default`(
        _ deviceType: DeviceType, for mediaType: AVMediaType?, position: Position
    ) -> AVCaptureDevice? { fatalError() }
}

public final class AVCaptureDeviceInput: AVCaptureInput {
    public init(device: AVCaptureDevice) throws {}
}

public protocol AVCaptureVideoDataOutputSampleBufferDelegate: NSObjectProtocol {
    func captureOutput(
        _ output: AVCaptureOutput, didOutput sampleBuffer: CMSampleBuffer, from connection: AVCaptureConnection)
}

public final class AVCaptureVideoDataOutput: AVCaptureOutput {
    public override init() {}
    public var videoSettings: [String: Any]! = [:]
    public var availableVideoPixelFormatTypes: [OSType] { fatalError() }
    public var alwaysDiscardsLateVideoFrames = true
    public func setSampleBufferDelegate(
        _ delegate: (any AVCaptureVideoDataOutputSampleBufferDelegate)?, queue: DispatchQueue?
    ) {}
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
    public static let wasInterruptedNotification = NSNotification.Name("")
    public static let interruptionEndedNotification = NSNotification.Name("")
    public static let runtimeErrorNotification = NSNotification.Name("")
    public var sessionPreset = Preset.vga640x480
    public func canSetSessionPreset(_ preset: Preset) -> Bool { fatalError() }
    public var inputs: [AVCaptureInput] { fatalError() }
    public func canAddInput(_ input: AVCaptureInput) -> Bool { fatalError() }
    public func canAddOutput(_ output: AVCaptureOutput) -> Bool { fatalError() }
    public func addInput(_ input: AVCaptureInput) {}
    public func removeInput(_ input: AVCaptureInput) {}
    public func addOutput(_ output: AVCaptureOutput) {}
    public func beginConfiguration() {}
    public func commitConfiguration() {}
    public var isRunning: Bool { fatalError() }
    public func startRunning() {}
    public func stopRunning() {}
}

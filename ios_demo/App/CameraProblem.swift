import AVFoundation

/// Why there are no pictures, in one sentence, and whether the settings can change it.
struct CameraProblem: Error, CustomStringConvertible {
    let description: String
    let settingsHelp: Bool

    init(_ description: String, settingsHelp: Bool = false) {
        self.description = description
        self.settingsHelp = settingsHelp
    }
}

enum CameraPermission {
    /// Asks the person once in the life of an install; after that only the settings change the answer.
    static func require() async throws {
        switch AVCaptureDevice.authorizationStatus(for: .video) {
        case .authorized: return
        case .notDetermined: if await AVCaptureDevice.requestAccess(for: .video) { return }
        case .restricted: throw CameraProblem("the camera is not allowed on this device, by Screen Time or by who manages it")
        case .denied: break
        @unknown default: break
        }
        throw CameraProblem("the demo needs the camera: allow it in Settings", settingsHelp: true)
    }
}

enum Interruption {
    /// Says why the system took the camera away; `reason` is an `AVCaptureSession.InterruptionReason`.
    static func why(_ reason: Int?) -> String {
        switch reason.flatMap(AVCaptureSession.InterruptionReason.init(rawValue:)) {
        case .videoDeviceNotAvailableInBackground: "the camera rests while the app is in the background"
        case .videoDeviceInUseByAnotherClient: "another app uses the camera"
        case .videoDeviceNotAvailableWithMultipleForegroundApps: "there is no camera while apps share the screen"
        case .videoDeviceNotAvailableDueToSystemPressure: "the phone is too hot for the camera"
        default: "the system has taken the camera away"
        }
    }
}

import Darwin
import FerDemoCore
import Foundation
import UIKit

/// What the system tells of this phone, of its state and of this app.
enum Phone {
    static let device = DeviceFacts(
        modelIdentifier: modelIdentifier, simulator: simulator, os: isPad ? "iPadOS" : "iOS", osVersion: version,
        osBuild: systemString("kern.osversion"), processors: ProcessInfo.processInfo.processorCount,
        memoryBytes: Int(ProcessInfo.processInfo.physicalMemory))

    static var app: AppFacts {
        func stated(_ key: String) -> String { Bundle.main.object(forInfoDictionaryKey: key) as? String ?? "unknown" }
        return AppFacts(
            bundleId: Bundle.main.bundleIdentifier ?? "unknown", version: stated("CFBundleShortVersionString"),
            build: stated("CFBundleVersion"), configuration: configuration)
    }

    /// The battery tells only who asked to watch it, and some devices not even then.
    @MainActor
    static func state() -> PhoneState {
        let device = UIDevice.current
        device.isBatteryMonitoringEnabled = true
        let known = device.batteryState != .unknown && device.batteryLevel >= 0
        let silent = "the system does not tell"
        return PhoneState(
            thermalState: thermalState, lowPowerMode: ProcessInfo.processInfo.isLowPowerModeEnabled,
            batteryPercent: known ? (Double(device.batteryLevel) * 100).rounded() : nil,
            charging: known ? device.batteryState != .unplugged : nil,
            missing: known ? [:] : ["battery_percent": silent, "charging": silent])
    }

    private static var thermalState: String {
        switch ProcessInfo.processInfo.thermalState {
        case .nominal: "nominal"
        case .fair: "fair"
        case .serious: "serious"
        case .critical: "critical"
        @unknown default: "unknown"
        }
    }

    private static var version: String {
        let version = ProcessInfo.processInfo.operatingSystemVersion
        return "\(version.majorVersion).\(version.minorVersion).\(version.patchVersion)"
    }

    /// "iPhone16,1". A simulator's own is the Mac's processor, and it says the one it plays elsewhere.
    private static var modelIdentifier: String {
        if let played = ProcessInfo.processInfo.environment["SIMULATOR_MODEL_IDENTIFIER"] { return played }
        var system = utsname()
        guard uname(&system) == 0 else { return "unknown" }
        return withUnsafeBytes(of: &system.machine) { String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) }
    }

    private static var isPad: Bool { modelIdentifier.hasPrefix("iPad") }

    private static func systemString(_ name: String) -> String? {
        var size = 0
        guard sysctlbyname(name, nil, &size, nil, 0) == 0, size > 1 else { return nil }
        var bytes = [UInt8](repeating: 0, count: size)
        guard sysctlbyname(name, &bytes, &size, nil, 0) == 0 else { return nil }
        return String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self)
    }

    #if targetEnvironment(simulator)
        private static let simulator = true
    #else
        private static let simulator = false
    #endif

    #if DEBUG
        private static let configuration = "debug"
    #else
        private static let configuration = "release"
    #endif
}

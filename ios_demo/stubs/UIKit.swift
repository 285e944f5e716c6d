@_exported import Foundation

@MainActor public final class UIApplication {
    public static let shared = UIApplication()
    public var isIdleTimerDisabled = false
    public nonisolated static let openSettingsURLString: String = ""
}

@MainActor public final class UIDevice {
    public enum BatteryState: Int, Sendable {
        case unknown, unplugged, charging, full
    }
    public static let current = UIDevice()
    public var isBatteryMonitoringEnabled = false
    public var batteryState: BatteryState { isBatteryMonitoringEnabled ? .charging : .unknown }
    public var batteryLevel: Float { isBatteryMonitoringEnabled ? 0.8 : -1 }
}

// Of Foundation on Apple's systems.
extension ProcessInfo {
    public enum ThermalState: Int, Sendable {
        case nominal, fair, serious, critical
    }
    public var thermalState: ThermalState { .fair }
    public var isLowPowerModeEnabled: Bool { false }
}

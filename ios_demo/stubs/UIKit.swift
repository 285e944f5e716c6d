@_exported import Foundation

@MainActor public final class UIApplication {
    public class var shared: UIApplication { fatalError() }
    public var isIdleTimerDisabled = false
    public nonisolated static let openSettingsURLString: String = ""
}

@MainActor public final class UIDevice {
    public enum BatteryState: Int, Sendable {
        case unknown, unplugged, charging, full
    }
    public class var current: UIDevice { fatalError() }
    public var isBatteryMonitoringEnabled = false
    public var batteryState: BatteryState { fatalError() }
    public var batteryLevel: Float { fatalError() }
}

// Of Foundation on Apple's systems.
extension ProcessInfo {
    public enum ThermalState: Int, Sendable {
        case nominal, fair, serious, critical
    }
    public var thermalState: ThermalState { fatalError() }
    public var isLowPowerModeEnabled: Bool { fatalError() }
}

import Darwin
import FerDemoCore

/// Peak memory as iOS counts it against an app: the physical footprint and the highest value it had so far.
struct FootprintMemory: PeakMemory {
    private(set) var reason: String?
    private var before: Int64 = 0
    private var peakBefore: Int64 = 0

    mutating func start() {
        guard let usage = usage() else { return }
        before = Int64(usage.phys_footprint)
        peakBefore = usage.ledger_phys_footprint_peak
    }

    mutating func bytes() -> Int? {
        guard reason == nil, let usage = usage() else { return nil }
        // The system's peak cannot be reset: it says something only where this run went beyond it.
        guard usage.ledger_phys_footprint_peak > peakBefore else {
            reason = "the app's peak came before the model was loaded"
            return nil
        }
        return Int(usage.ledger_phys_footprint_peak - before)
    }

    private mutating func usage() -> task_vm_info_data_t? {
        var info = task_vm_info_data_t()
        let words = MemoryLayout<task_vm_info_data_t>.size / MemoryLayout<natural_t>.size
        var count = mach_msg_type_number_t(words)
        let status = withUnsafeMutablePointer(to: &info) { pointer in
            pointer.withMemoryRebound(to: integer_t.self, capacity: words) {
                task_info(mach_task_self_, task_flavor_t(TASK_VM_INFO), $0, &count)
            }
        }
        if status != KERN_SUCCESS { reason = "task_info failed with \(status)" }
        return status == KERN_SUCCESS ? info : nil
    }
}

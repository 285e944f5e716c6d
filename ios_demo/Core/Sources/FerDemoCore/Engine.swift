/// A loaded model. Not thread-safe.
public protocol Engine {
    /// Version of the runtime, as the system states it.
    var runtimeVersion: String { get }

    /// Returns the logits (K) of one image; `pixels` is (C, H, W), 0..255.
    func logits(_ pixels: [Float]) throws -> [Float]
}

import CoreGraphics
import FerDemoCore
import Foundation
import Observation

/// What the screen shows: checks the bundled artifact, then classifies the face before the camera. Keeps no picture
/// but the one on the screen.
@MainActor
@Observable
final class Demo {
    private(set) var state = LiveClassifier.failed("starting")
    private(set) var picture: CGImage?
    private var camera: Camera?

    func start() async {
        guard camera == nil else { return }
        do {
            let artifact = try BundledArtifact.open()
            state = LiveClassifier.blank(artifact)
            let package = try await CoreMLEngine.compile(artifact)
            let classifier = try LiveClassifier(artifact, CoreMLEngine(package, artifact, units: .all))
            state = try classifier.state(nil, time: 0)
            guard classifier.verdict.agrees else { return }
            let camera = Camera { [weak self] seen in
                let shown = Self.shown(seen, classifier)
                Task { @MainActor in self?.show(shown) }
            }
            try await camera.start()
            self.camera = camera
        } catch {
            state = LiveClassifier.failed("\(error)")
        }
    }

    /// Runs on the camera's queue, one picture at a time.
    private nonisolated static func shown(_ seen: Seen, _ classifier: LiveClassifier) -> (ScreenState, CGImage?) {
        do {
            return (try classifier.state(seen, time: ProcessInfo.processInfo.systemUptime), seen.picture.cgImage)
        } catch {
            return (LiveClassifier.failed("\(error)"), nil)
        }
    }

    private func show(_ shown: (state: ScreenState, picture: CGImage?)) {
        state = shown.state
        picture = shown.picture
    }
}

extension RgbImage {
    var cgImage: CGImage? {
        CGDataProvider(data: NSData(data: Data(bytes)) as CFData).flatMap {
            CGImage(
                width: width, height: height, bitsPerComponent: 8, bitsPerPixel: 24, bytesPerRow: 3 * width,
                space: CGColorSpaceCreateDeviceRGB(), bitmapInfo: CGBitmapInfo(rawValue: CGImageAlphaInfo.none.rawValue),
                provider: $0, decode: nil, shouldInterpolate: true, intent: .defaultIntent)
        }
    }
}

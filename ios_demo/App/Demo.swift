import CoreGraphics
import FerDemoCore
import Foundation
import Observation
import UIKit

/// What the screen shows: checks the artifact that was chosen, then classifies the face before the camera. Keeps no
/// picture but the one on the screen.
@MainActor
@Observable
final class Demo {
    private(set) var state = LiveClassifier.starting()
    private(set) var picture: CGImage?
    private(set) var artifacts: [ArtifactLibrary.Entry] = []
    private(set) var artifact: ArtifactLibrary.Entry?
    private(set) var units = ComputeUnits.all
    private(set) var settingsHelp = false

    private var camera: Camera?
    /// Counts the choices: what an earlier one brings is not shown any more.
    private var choice = 0

    func start() async {
        guard artifacts.isEmpty else { return }
        do {
            artifacts = try await Loading.artifacts()
            await run(artifacts[0], units)
        } catch {
            state = LiveClassifier.failed("\(error)")
        }
    }

    func choose(_ artifact: ArtifactLibrary.Entry, _ units: ComputeUnits) {
        guard artifact != self.artifact || units != self.units else { return }
        Task { await run(artifact, units) }
    }

    private func run(_ entry: ArtifactLibrary.Entry, _ chosen: ComputeUnits) async {
        choice += 1
        let mine = choice
        (artifact, units, settingsHelp) = (entry, chosen, false)
        (state, picture) = (LiveClassifier.starting(), nil)
        camera?.use { _ in }
        do {
            let opened = try await Loading.artifact(entry)
            guard mine == choice else { return }
            state = LiveClassifier.blank(opened, runsOn: chosen.runsOn(opened))
            let classifier = try await Loading.classifier(opened, chosen)
            guard mine == choice else { return }
            state = classifier.state(nil)
            // A camera that nobody looks through is not left on.
            if classifier.agrees { try await watch(classifier, mine) } else { camera?.stop() }
        } catch {
            guard mine == choice else { return }
            fail("\(error)", settingsHelp: (error as? CameraProblem)?.settingsHelp ?? false)
            camera?.stop()
        }
    }

    private func watch(_ classifier: CameraClassifier, _ mine: Int) async throws {
        let camera = camera ?? Camera { [weak self] problem in
            Task { @MainActor [weak self] in self?.fail(problem) }
        }
        self.camera = camera
        camera.use { [weak self] seen in
            let (state, picture) = (classifier.state(seen), seen.picture.cgImage)
            Task { @MainActor [weak self] in self?.show(state, picture, mine) }
        }
        UIApplication.shared.isIdleTimerDisabled = true
        try await camera.start()
    }

    private func show(_ state: ScreenState, _ picture: CGImage?, _ mine: Int) {
        guard mine == choice else { return }
        self.state = state
        self.picture = picture
    }

    /// The rest of the state stays: the next picture takes the problem away.
    private func fail(_ problem: String, settingsHelp: Bool = false) {
        state.problem = problem
        self.settingsHelp = settingsHelp
    }
}

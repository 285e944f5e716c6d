// Plays the app on a computer: App's own code (all but what SwiftUI draws) over pretended frameworks, ../stubs, whose
// calls end the program where AVFoundation's raise an exception. Started by ../check-linux.sh:
//     play VECTORS [benchmark]        VECTORS is tests/apps/vectors/artifact; "nothing": an app without an artifact

import AVFoundation
import CoreML
import FerDemoCore
import Foundation
import UIKit
import Vision

@MainActor
func check(_ holds: Bool, _ what: String, line: Int = #line) {
    if holds { return }
    print("PLAY FAILED, line \(line): \(what)")
    exit(1)
}

/// Waits until `condition` holds, some seconds at most, of which a busy machine needs more.
@MainActor
func until(_ what: String, line: Int = #line, _ condition: () -> Bool) async {
    for _ in 0..<2000 {
        if condition() { return }
        try? await Task.sleep(nanoseconds: 10_000_000)
    }
    check(false, "waited in vain until \(what)", line: line)
}

/// As the vectors' artifact, but for Core ML, below `folder`.
func makeArtifact(_ vectors: URL, _ folder: URL, recipe: String = "float") throws {
    let files = FileManager.default
    try? files.removeItem(at: folder)
    try files.createDirectory(at: folder.deletingLastPathComponent(), withIntermediateDirectories: true)
    try files.copyItem(at: vectors, to: folder)
    let info = folder.appendingPathComponent("artifact.json")
    let text = try String(contentsOf: info, encoding: .utf8)
        .replacingOccurrences(of: #""target": "onnx""#, with: #""target": "coreml""#)
        .replacingOccurrences(of: #""recipe": "float""#, with: "\"recipe\": \"\(recipe)\"")
    try Data(text.utf8).write(to: info)
}

let words = CommandLine.arguments
let bundle = URL(fileURLWithPath: words[0]).resolvingSymlinksInPath().deletingLastPathComponent()
    .appendingPathComponent("Artifact")
try? FileManager.default.removeItem(at: bundle)

if words[1] == "nothing" {
    let demo = Demo()
    await demo.start()
    check(demo.state.spoken.contains("no artifact in this app: run fer-deploy bundle"), demo.state.spoken)
    check(demo.artifacts.isEmpty && Played.session == nil, "a camera without a model")
    print("played: an app without an artifact")
    exit(0)
}

let vectors = URL(fileURLWithPath: words[1])
if words.contains("-benchmark") {
    let documents = FileManager.default.urls(for: .documentDirectory, in: .userDomainMask)[0]
    try makeArtifact(vectors, documents.appendingPathComponent("job"))
    guard let request = BenchmarkRequest(words) else { fatalError("no request") }
    await BenchmarkRun.run(request)  // ends the program
}

try makeArtifact(vectors, bundle.appendingPathComponent("one"))
try makeArtifact(vectors, bundle.appendingPathComponent("two"), recipe: "other")

// While the model is compiled, loaded and checked, the main actor is free.
PlayedModel.seconds = 0.2
let demo = Demo()
var ticks = 0
let ticking = Task { @MainActor in
    while !Task.isCancelled {
        ticks += 1
        try? await Task.sleep(nanoseconds: 5_000_000)
    }
}
await demo.start()
ticking.cancel()
check(PlayedModel.calls == ["compile", "load all"], "\(PlayedModel.calls)")
check(ticks > 4, "the main actor ticked \(ticks) times in 0.4 seconds")
PlayedModel.seconds = 0
check(demo.artifacts.map(\.title) == ["stand_in, float", "stand_in, other"], "\(demo.artifacts)")
check(demo.state.verdict?.agrees == true && Played.session?.isRunning == true, demo.state.spoken)
check(UIApplication.shared.isIdleTimerDisabled, "the screen goes dark")

// A picture: classified as it is, mirrored only on the screen.
let connection = Played.picture()
await until("a picture was classified") { demo.state.probabilities != nil }
check(demo.picture?.width == 60 && demo.state.face == [0.25, 0.25, 0.75, 0.75], "\(String(describing: demo.state.face))")
check(connection?.isVideoMirrored == false && connection?.videoRotationAngle == 90, "not upright, or mirrored")
PlayedFace.boxes = []
Played.picture()
await until("a picture without a face came") { demo.state.face == nil }
check(demo.state.spoken == "No face in the picture", demo.state.spoken)
PlayedFace.boxes = [
    CGRect(x: 0, y: 0, width: 0.1, height: 0.1), CGRect(x: 0.5, y: 0.5, width: 0.5, height: 0.5),
]
Played.picture()
await until("the larger face was taken") { demo.state.face == [0.5, 0, 1, 0.5] }

// Turning the device turns the pictures; an angle that the camera does not know is said, and nothing lying is classified.
Played.turn(to: 180)
Played.picture()
check(connection?.videoRotationAngle == 180, "\(String(describing: connection?.videoRotationAngle))")
Played.angles = [0, 90, 180]
Played.turn(to: 270)
await until("the angle was refused") { demo.state.problem?.contains("cannot be turned upright (by 270 degrees)") == true }
Played.picture()
try await Task.sleep(nanoseconds: 50_000_000)
check(demo.state.problem != nil, "a picture that lies on its side was classified")
Played.turn(to: 90)
Played.picture()
await until("pictures came again") { demo.state.problem == nil }

// The system takes the camera away and gives it back.
Played.post(AVCaptureSession.wasInterruptedNotification, [AVCaptureSessionInterruptionReasonKey: 3])
await until("the interruption was said") { demo.state.problem == "another app uses the camera" }
Played.post(AVCaptureSession.interruptionEndedNotification)
await until("the camera ran again") { Played.session?.isRunning == true }
Played.picture()
await until("pictures came again") { demo.state.problem == nil }

// A camera that fails is started three times, and anew once it has given a picture.
var before = Played.starts
for failure in 1...4 {
    Played.post(AVCaptureSession.runtimeErrorNotification, [AVCaptureSessionErrorKey: CocoaError(.featureUnsupported)])
    await until("the failure was said") { demo.state.problem?.hasPrefix("the camera failed: ") == true }
    if failure < 4 { await until("start \(failure)") { Played.starts == before + failure } }
}
try await Task.sleep(nanoseconds: 1_300_000_000)
check(Played.starts == before + 3, "started \(Played.starts - before) times")

// Another choice is checked anew, with the model that was compiled before; one that disagrees leaves the camera off.
PlayedModel.calls = []
PlayedModel.errors = [.cpuOnly: 1, .cpuAndGPU: .nan]
demo.choose(demo.artifacts[0], .cpuOnly)
await until("the wrong answers were seen") { demo.state.verdict?.agrees == false }
check(PlayedModel.calls == ["load cpuOnly"], "\(PlayedModel.calls)")
await until("the camera was off") { Played.session?.isRunning == false }
check(demo.picture == nil && demo.state.title.hasSuffix("Core ML, CPU only") == false, demo.state.title)
Played.post(AVCaptureSession.interruptionEndedNotification)
try await Task.sleep(nanoseconds: 50_000_000)
check(Played.session?.isRunning == false, "a camera that nobody looks through was started")

// A choice that is ready only after a later one is not shown any more.
PlayedModel.seconds = 0.5
demo.choose(demo.artifacts[0], .cpuAndGPU)
await until("the first was loading") { PlayedModel.calls.contains("load cpuAndGPU") }
PlayedModel.seconds = 0
demo.choose(demo.artifacts[1], .cpuAndNeuralEngine)
await until("the last choice ran") { demo.state.verdict?.agrees == true && Played.session?.isRunning == true }
try await Task.sleep(nanoseconds: 1_000_000_000)
check(demo.state.verdict?.agrees == true && Played.session?.isRunning == true, demo.state.spoken)
check(demo.units == .cpuAndNeuralEngine && demo.artifact == demo.artifacts[1], "\(demo.units)")
check(demo.state.title.contains("other") && demo.state.title.contains("CPU and Neural Engine"), demo.state.title)

// A compiled model that was spoilt since is made once more.
let caches = FileManager.default.urls(for: .cachesDirectory, in: .userDomainMask)[0]
    .appendingPathComponent("compiled-models")
for kept in try FileManager.default.contentsOfDirectory(at: caches, includingPropertiesForKeys: nil) {
    try FileManager.default.removeItem(at: kept.appendingPathComponent("weights"))
}
PlayedModel.calls = []
demo.choose(demo.artifacts[0], .all)
await until("the model was made once more") { PlayedModel.calls == ["load all", "compile", "load all"] }
await until("it ran") { demo.state.verdict?.agrees == true }

// Each of these is a sentence on the screen.
@MainActor
func startedAnew(_ problem: String, settings: Bool = false, line: Int = #line) async {
    let demo = Demo()
    await demo.start()
    check(demo.state.problem?.contains(problem) == true, "'\(demo.state.spoken)' does not say '\(problem)'", line: line)
    check(demo.settingsHelp == settings, "the settings are offered: \(demo.settingsHelp)", line: line)
}
Played.status = .notDetermined
Played.answer = false
await startedAnew("allow it in Settings", settings: true)
await startedAnew("allow it in Settings", settings: true)
check(Played.asked == 1, "asked \(Played.asked) times")
Played.status = .restricted
await startedAnew("not allowed on this device")
Played.status = .authorized
Played.hasCamera = false
await startedAnew("no front camera")
Played.hasCamera = true
Played.canAddInput = false
await startedAnew("cannot be used now")
Played.canAddInput = true
Played.canAddOutput = false
await startedAnew("gives no pictures to this app")
Played.canAddOutput = true
Played.canMirror = false
Played.angles = []
await startedAnew("cannot be turned upright")
print("played: the app, from its start to a camera that cannot be turned")

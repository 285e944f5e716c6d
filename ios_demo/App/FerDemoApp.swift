import FerDemoCore
import SwiftUI
import UIKit

/// The demo, or with `-benchmark FOLDER` among the launch arguments one timing run (see README.md).
@main
struct FerDemoApp: App {
    @State private var demo = Demo()

    var body: some Scene {
        WindowGroup {
            ScreenView(demo: demo).task {
                if let request = BenchmarkRequest(CommandLine.arguments) {
                    // A screen that goes dark suspends the app.
                    UIApplication.shared.isIdleTimerDisabled = true
                    await BenchmarkRun.run(request)
                } else {
                    await demo.start()
                }
            }
        }
    }
}

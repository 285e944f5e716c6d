import FerDemoCore
import SwiftUI

/// The demo, or with `-benchmark FOLDER` among the launch arguments one headless timing run (see README.md).
@main
struct FerDemoApp: App {
    @State private var demo = Demo()

    var body: some Scene {
        WindowGroup {
            ScreenView(demo: demo).task {
                if let request = BenchmarkRequest(CommandLine.arguments) {
                    await request.run()
                } else {
                    await demo.start()
                }
            }
        }
    }
}

import FerDemoCore
import SwiftUI

/// Which of the bundled artifacts runs, and on what.
struct ChoiceMenu: View {
    let demo: Demo

    var body: some View {
        if let artifact = demo.artifact {
            Menu {
                Section("Model") {
                    ForEach(demo.artifacts) { entry in
                        choice(entry.title, entry == artifact) { demo.choose(entry, demo.units) }
                    }
                }
                Section("Compute units") {
                    ForEach(ComputeUnits.allCases, id: \.self) { units in
                        choice(units.title, units == demo.units) { demo.choose(artifact, units) }
                    }
                }
            } label: {
                Text(verbatim: "Options").foregroundColor(.white).padding(8)
            }
            .background(Color.black.opacity(0.5))
        }
    }

    @ViewBuilder
    private func choice(_ title: String, _ chosen: Bool, _ choose: @escaping @MainActor () -> Void) -> some View {
        if chosen {
            Button(title, systemImage: "checkmark", action: choose)
        } else {
            Button(title, action: choose)
        }
    }
}

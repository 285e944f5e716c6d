import FerDemoCore
import SwiftUI
import UIKit

/// Draws the camera's picture and the shapes of `Screen`, and offers what can be chosen; decides nothing.
struct ScreenView: View {
    let demo: Demo
    @Environment(\.openURL) private var openURL

    var body: some View {
        // Read here and not in the canvas: that the body is evaluated anew when what it reads changes is documented, that
        // the canvas is drawn anew when what its renderer reads changes is not.
        let state = demo.state
        let picture = demo.picture
        Canvas { context, size in
            let screen = Screen(width: size.width, height: size.height)
            if let picture { mirrored(picture, screen.cameraSide, in: context) }
            for shape in screen.shapes(state) { draw(shape, in: context) }
        }
        .accessibilityElement()
        .accessibilityLabel(Text(verbatim: state.spoken))
        .background(Color.black)
        .overlay(alignment: .topTrailing) { ChoiceMenu(demo: demo) }
        .overlay(alignment: .center) { if demo.settingsHelp { settings } }
    }

    private var settings: some View {
        Button("Open the settings") {
            if let url = URL(string: UIApplication.openSettingsURLString) { openURL(url) }
        }
        .buttonStyle(.borderedProminent)
    }

    /// As in a mirror, which is how people know themselves. The network was given the picture as it is.
    private func mirrored(_ picture: CGImage, _ side: Double, in context: GraphicsContext) {
        var mirror = context
        mirror.translateBy(x: side, y: 0)
        mirror.scaleBy(x: -1, y: 1)
        mirror.draw(Image(decorative: picture, scale: 1), in: CGRect(x: 0, y: 0, width: side, height: side))
    }

    private func draw(_ shape: FerDemoCore.Shape, in context: GraphicsContext) {
        switch shape {
        case .rectangle(let x, let y, let width, let height, let fill):
            context.fill(Path(CGRect(x: x, y: y, width: width, height: height)), with: .color(colour(fill)))
        case .frame(let x, let y, let width, let height, let line, let stroke):
            let path = Path(CGRect(x: x, y: y, width: width, height: height))
            context.stroke(path, with: .color(colour(stroke)), lineWidth: line)
        case .text(let string, let x, let y, let size, let fill, let atEnd):
            let text = Text(verbatim: string).font(.system(size: size)).foregroundColor(colour(fill))
            let drawn = context.resolve(text)
            let box = drawn.measure(in: CGSize(width: CGFloat.infinity, height: CGFloat.infinity))
            let start = CGPoint(x: atEnd ? x - box.width : x, y: y - drawn.firstBaseline(in: box))
            context.draw(drawn, in: CGRect(origin: start, size: box))
        case .curve(let points, let line, let stroke):
            var path = Path()
            path.addLines(points.map { CGPoint(x: $0.x, y: $0.y) })
            context.stroke(path, with: .color(colour(stroke)), lineWidth: line)
        }
    }

    private func colour(_ rgb: UInt32) -> Color {
        let parts = [16, 8, 0].map { Double(rgb >> UInt32($0) & 0xFF) / 255 }
        return Color(red: parts[0], green: parts[1], blue: parts[2])
    }
}

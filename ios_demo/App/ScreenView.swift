import FerDemoCore
import SwiftUI

/// Draws the camera's picture and the shapes of `Screen`; decides nothing.
struct ScreenView: View {
    let demo: Demo

    var body: some View {
        Canvas { context, size in
            let screen = Screen(width: size.width, height: size.height)
            if let picture = demo.picture {
                let square = CGRect(x: 0, y: 0, width: screen.cameraSide, height: screen.cameraSide)
                context.draw(Image(decorative: picture, scale: 1), in: square)
            }
            for shape in screen.shapes(demo.state) { draw(shape, in: context) }
        }
        .background(Color.black)
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

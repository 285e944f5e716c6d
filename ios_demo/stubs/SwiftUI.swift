@_exported import CoreGraphics
@_exported import Foundation
@_exported import Observation

@MainActor public protocol App {
    associatedtype Body: Scene
    var body: Body { get }
    init()
}
extension App {
    public static func main() {}
}

@MainActor public protocol Scene {}
public struct WindowGroup<Content: View>: Scene {
    public init(content: () -> Content) {}
}

@MainActor public protocol View {
    associatedtype Body: View
    var body: Body { get }
}
extension Never: View {
    public var body: Never { fatalError() }
}
extension View {
    public func background(_ color: Color) -> some View { self }
    public func task(_ action: @escaping @MainActor @Sendable () async -> Void) -> some View { self }
}

@propertyWrapper public struct State<Value> {
    public var wrappedValue: Value
    public init(wrappedValue: Value) { self.wrappedValue = wrappedValue }
}

public protocol Shape {}

public struct Color: Sendable {
    public static let black = Color(red: 0, green: 0, blue: 0)
    public init(red: Double, green: Double, blue: Double) {}
}

public struct Font: Sendable {
    public static func system(size: CGFloat) -> Font { fatalError() }
}

public struct Text: Sendable {
    public init(verbatim content: String) {}
    public func font(_ font: Font?) -> Text { self }
    public func foregroundColor(_ color: Color?) -> Text { self }
}

public struct Image {
    public init(decorative cgImage: CGImage, scale: CGFloat) {}
}

public struct Path {
    public init() {}
    public init(_ rect: CGRect) {}
    public mutating func addLines(_ lines: [CGPoint]) {}
}

public struct GraphicsContext {
    public struct Shading {
        public static func color(_ color: Color) -> Shading { fatalError() }
    }
    public struct ResolvedText {
        public func measure(in size: CGSize) -> CGSize { fatalError() }
        public func firstBaseline(in size: CGSize) -> CGFloat { fatalError() }
    }
    public func fill(_ path: Path, with shading: Shading) {}
    public func stroke(_ path: Path, with shading: Shading, lineWidth: CGFloat = 1) {}
    public func draw(_ image: Image, in rect: CGRect) {}
    public func draw(_ text: ResolvedText, in rect: CGRect) {}
    public func resolve(_ text: Text) -> ResolvedText { fatalError() }
}

public struct Canvas: View {
    public init(renderer: @escaping (inout GraphicsContext, CGSize) -> Void) {}
    public var body: Never { fatalError() }
}

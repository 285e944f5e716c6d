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
    public init(@ViewBuilder content: () -> Content) {}
}

@MainActor public protocol View {
    associatedtype Body: View
    @ViewBuilder var body: Body { get }
}

@resultBuilder public enum ViewBuilder {
    public static func buildBlock<each Content: View>(_ content: repeat each Content) -> TupleView<(repeat each Content)> {
        fatalError()
    }
    public static func buildBlock<Content: View>(_ content: Content) -> Content { content }
    public static func buildExpression<Content: View>(_ content: Content) -> Content { content }
    public static func buildEither<First: View, Second: View>(first: First) -> Either<First, Second> { fatalError() }
    public static func buildEither<First: View, Second: View>(second: Second) -> Either<First, Second> { fatalError() }
    public static func buildIf<Content: View>(_ content: Content?) -> Content? { content }
}
public struct Either<First: View, Second: View>: View {
    public var body: Never { fatalError() }
}
public struct TupleView<T>: View {
    public var body: Never { fatalError() }
}

public struct AccessibilityChildBehavior: Sendable {
    public static let ignore = AccessibilityChildBehavior()
}

public struct Alignment: Sendable {
    public static let center = Alignment()
    public static let topTrailing = Alignment()
}
extension Optional: View where Wrapped: View {
    public var body: Never { fatalError() }
}
extension Never: View {
    public var body: Never { fatalError() }
}
extension View {
    public func background(_ color: Color) -> some View { self }
    public func overlay<V: View>(alignment: Alignment = .center, @ViewBuilder content: () -> V) -> some View { self }
    public func accessibilityElement(children: AccessibilityChildBehavior = .ignore) -> some View { self }
    public func accessibilityLabel(_ label: Text) -> some View { self }
    public func padding(_ length: CGFloat) -> some View { self }
    public func buttonStyle(_ style: BorderedProminentButtonStyle) -> some View { self }
    public func task(_ action: @escaping @MainActor @Sendable () async -> Void) -> some View { self }
}

@propertyWrapper public struct State<Value> {
    public var wrappedValue: Value
    public init(wrappedValue: Value) { self.wrappedValue = wrappedValue }
}

public protocol Shape {}

@MainActor public protocol DynamicProperty {}

@MainActor @propertyWrapper public struct Environment<Value>: DynamicProperty {
    public init(_ keyPath: KeyPath<EnvironmentValues, Value>) {}
    public var wrappedValue: Value { fatalError() }
}
public struct EnvironmentValues {
    public var openURL: OpenURLAction { fatalError() }
}
@MainActor public struct OpenURLAction {
    public func callAsFunction(_ url: URL) {}
}

public struct BorderedProminentButtonStyle: Sendable {
    public static let borderedProminent = BorderedProminentButtonStyle()
}
public struct Button: View {
    public init(_ title: String, action: @escaping @MainActor () -> Void) {}
    public init(_ title: String, systemImage: String, action: @escaping @MainActor () -> Void) {}
    public var body: Never { fatalError() }
}
public struct Menu<Label: View, Content: View>: View {
    public init(@ViewBuilder content: () -> Content, @ViewBuilder label: () -> Label) {}
    public var body: Never { fatalError() }
}
public struct Section<Content: View>: View {
    public init(_ title: String, @ViewBuilder content: () -> Content) {}
    public var body: Never { fatalError() }
}
public struct ForEach<Data: RandomAccessCollection, ID: Hashable, Content: View>: View {
    public init(_ data: Data, @ViewBuilder content: @escaping (Data.Element) -> Content)
    where Data.Element: Identifiable, ID == Data.Element.ID {}
    public init(_ data: Data, id: KeyPath<Data.Element, ID>, @ViewBuilder content: @escaping (Data.Element) -> Content) {}
    public var body: Never { fatalError() }
}

public struct Color: Sendable {
    public static let white = Color(red: 1, green: 1, blue: 1)
    public static let black = Color(red: 0, green: 0, blue: 0)
    public func opacity(_ opacity: Double) -> Color { self }
    public init(red: Double, green: Double, blue: Double) {}
}

public struct Font: Sendable {
    public static func system(size: CGFloat) -> Font { fatalError() }
}

public struct Text: View {
    public var body: Never { fatalError() }
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
    public mutating func translateBy(x: CGFloat, y: CGFloat) {}
    public mutating func scaleBy(x: CGFloat, y: CGFloat) {}
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

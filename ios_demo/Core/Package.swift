// swift-tools-version:5.9
import PackageDescription

// Everything that computes, without any Apple framework: built and tested on Linux too (../check-linux.sh).
let package = Package(
    name: "FerDemoCore",
    platforms: [.iOS(.v17), .macOS(.v14)],
    products: [.library(name: "FerDemoCore", targets: ["FerDemoCore"])],
    targets: [
        .target(name: "FerDemoCore"),
        .testTarget(name: "FerDemoCoreTests", dependencies: ["FerDemoCore"]),
    ]
)

import Foundation

#if canImport(CryptoKit)
    import CryptoKit

    private struct Hasher256 {
        private var hash = SHA256()
        mutating func update(_ data: Data) { hash.update(data: data) }
        mutating func digest() -> [UInt8] { Array(hash.finalize()) }
    }
#else
    /// Where there is no CryptoKit, that is in the tests on Linux: FIPS 180-4, section 6.2.
    private struct Hasher256 {
        private var state = roots(of: 8, power: 1 / 2)
        private var pending: [UInt8] = []
        private var length: UInt64 = 0
        private static let constants = roots(of: 64, power: 1 / 3)

        /// The first 32 bits of the fractional parts of the roots of the first primes.
        private static func roots(of count: Int, power: Double) -> [UInt32] {
            let primes = (2...311).filter { number in !(2..<number).contains { number % $0 == 0 } }
            return primes.prefix(count).map { prime in
                let root = pow(Double(prime), power)
                return UInt32((root - root.rounded(.down)) * 4_294_967_296)
            }
        }

        mutating func update(_ data: Data) {
            length += UInt64(data.count)
            pending += data
            let whole = pending.count - pending.count % 64
            for start in stride(from: 0, to: whole, by: 64) { block(Array(pending[start..<(start + 64)])) }
            pending.removeFirst(whole)
        }

        mutating func digest() -> [UInt8] {
            pending += [0x80] + Array(repeating: 0, count: (119 - pending.count) % 64)
            pending += (0..<8).map { UInt8(truncatingIfNeeded: (length * 8) >> UInt64(56 - 8 * $0)) }
            for start in stride(from: 0, to: pending.count, by: 64) { block(Array(pending[start..<(start + 64)])) }
            return state.flatMap { word in (0..<4).map { UInt8(truncatingIfNeeded: word >> UInt32(24 - 8 * $0)) } }
        }

        private mutating func block(_ bytes: [UInt8]) {
            func right(_ word: UInt32, _ bits: UInt32) -> UInt32 { word >> bits | word << (32 - bits) }
            var words = (0..<16).map { index in (0..<4).reduce(UInt32(0)) { $0 << 8 | UInt32(bytes[4 * index + $1]) } }
            for index in 16..<64 {
                let (early, late) = (words[index - 15], words[index - 2])
                let first = right(early, 7) ^ right(early, 18) ^ early >> 3
                let second = right(late, 17) ^ right(late, 19) ^ late >> 10
                words.append(words[index - 16] &+ first &+ words[index - 7] &+ second)
            }
            var s = state
            for index in 0..<64 {
                let sum = right(s[4], 6) ^ right(s[4], 11) ^ right(s[4], 25)
                let choice = (s[4] & s[5]) ^ (~s[4] & s[6])
                let first = s[7] &+ sum &+ choice &+ Self.constants[index] &+ words[index]
                let other = right(s[0], 2) ^ right(s[0], 13) ^ right(s[0], 22)
                let second = other &+ ((s[0] & s[1]) ^ (s[0] & s[2]) ^ (s[1] & s[2]))
                s = [first &+ second, s[0], s[1], s[2], s[3] &+ first, s[4], s[5], s[6]]
            }
            state = zip(state, s).map { $0 &+ $1 }
        }
    }
#endif

/// SHA-256 as `fer_deploy/files.py` computes it: of a file, or of a folder's files with their names.
public enum Sha256 {
    public static func hex(_ data: Data) -> String { hex(bytes(data)) }

    /// Returns the digest of the file or folder at `url`; a folder's files count with their relative names, in order.
    public static func hex(at url: URL) throws -> String {
        let properties = try url.resourceValues(forKeys: [.isDirectoryKey])
        guard properties.isDirectory == true else { return hex(try digest(ofFile: url)) }
        var hash = Hasher256()
        for name in try files(in: url) {
            hash.update(Data(name.joined(separator: "/").utf8) + [0])
            hash.update(Data(try digest(ofFile: name.reduce(url) { $0.appendingPathComponent($1) })))
        }
        return hex(hash.digest())
    }

    /// The relative paths of all files, as Python orders paths: part by part.
    private static func files(in folder: URL) throws -> [[String]] {
        let names = try FileManager.default.subpathsOfDirectory(atPath: folder.path)
        let files = names.filter { name in
            var isFolder: ObjCBool = false
            let path = folder.appendingPathComponent(name).path
            return FileManager.default.fileExists(atPath: path, isDirectory: &isFolder) && !isFolder.boolValue
        }
        let parts = files.map { $0.split(separator: "/").map(String.init) }
        return parts.sorted { first, second in
            first.lexicographicallyPrecedes(second) { $0.unicodeScalars.lexicographicallyPrecedes($1.unicodeScalars) }
        }
    }

    private static func digest(ofFile url: URL) throws -> [UInt8] {
        let file = try FileHandle(forReadingFrom: url)
        defer { try? file.close() }
        var hash = Hasher256()
        while let chunk = try file.read(upToCount: 1 << 20), !chunk.isEmpty { hash.update(chunk) }
        return hash.digest()
    }

    private static func bytes(_ data: Data) -> [UInt8] {
        var hash = Hasher256()
        hash.update(data)
        return hash.digest()
    }

    private static func hex(_ bytes: [UInt8]) -> String { bytes.map { String(format: "%02x", $0) }.joined() }
}

import java.io.File;
import org.ferdeploy.core.BenchmarkJob;
import org.ferdeploy.core.EngineLoader;
import org.ferdeploy.core.ProcPeakMemory;
import org.ferdeploy.demo.LiteRTEngine;

/** What BenchmarkActivity does with a LiteRT artifact, without Android: RunLiteRTJob JOB RESULTS PROTOCOL. */
public final class RunLiteRTJob {
    public static void main(String[] words) {
        String version = System.getProperty("litert.version");
        EngineLoader loader = (artifact, threads) -> new LiteRTEngine(artifact, threads, version);
        new BenchmarkJob(new File(words[0]), new File(words[1]))
            .run(loader, words[2], new ProcPeakMemory(new File("/proc/self")));
    }
}

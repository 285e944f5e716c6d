import java.io.File;
import org.ferdeploy.core.BenchmarkJob;
import org.ferdeploy.core.EngineLoader;
import org.ferdeploy.core.ProcPeakMemory;
import org.ferdeploy.core.Provider;
import org.ferdeploy.demo.OnnxEngine;

/** What BenchmarkActivity does, without Android: RunJob JOB RESULTS PROTOCOL. The engine is the app's own. */
public final class RunJob {
    public static void main(String[] words) {
        EngineLoader loader = (artifact, threads) -> new OnnxEngine(artifact, threads, Provider.DEFAULT);
        new BenchmarkJob(new File(words[0]), new File(words[1]))
            .run(loader, words[2], new ProcPeakMemory(new File("/proc/self")));
    }
}

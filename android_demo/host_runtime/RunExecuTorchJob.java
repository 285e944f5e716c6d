import java.io.File;
import org.ferdeploy.core.BenchmarkJob;
import org.ferdeploy.core.EngineLoader;
import org.ferdeploy.core.ProcPeakMemory;
import org.ferdeploy.demo.ExecuTorchEngine;

/** What BenchmarkActivity does with an ExecuTorch artifact, without Android: RunExecuTorchJob JOB RESULTS PROTOCOL. */
public final class RunExecuTorchJob {
    public static void main(String[] words) {
        String version = System.getProperty("executorch.version");
        EngineLoader loader = (artifact, threads) -> new ExecuTorchEngine(artifact, threads, version);
        new BenchmarkJob(new File(words[0]), new File(words[1]))
            .run(loader, words[2], new ProcPeakMemory(new File("/proc/self")));
    }
}

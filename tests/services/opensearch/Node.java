import java.nio.file.Files;
import java.nio.file.Path;
import org.codelibs.opensearch.runner.OpenSearchRunner;
import org.opensearch.action.admin.cluster.node.info.NodesInfoRequest;
import org.opensearch.http.HttpInfo;

/** One OpenSearch node on a loopback port of the kernel's choice, which it leaves in HOME/port once it answers. */
class Node {
    public static void main(String[] args) throws Exception {
        Path home = Path.of(args[0]);
        OpenSearchRunner runner = new OpenSearchRunner();
        Runtime.getRuntime().addShutdownHook(new Thread(() -> {
            try {
                runner.close();
            } catch (Exception e) {
                e.printStackTrace();
            }
        }));
        runner.onBuild((number, settings) -> settings
                .put("network.host", "127.0.0.1")
                .put("http.port", 0)
                .put("transport.port", 0)
                .put("discovery.type", "single-node")
                .put("cluster.routing.allocation.disk.threshold_enabled", false) // a full disk of tests is no matter
                .put("action.auto_create_index", false));
        runner.build(OpenSearchRunner.newConfigs()
                .basePath(home.resolve("node").toString())
                .numOfNode(1)
                .clusterName("tests")
                .useLogger());
        runner.ensureYellow();
        HttpInfo http = runner.client().admin().cluster()
                .prepareNodesInfo().addMetric(NodesInfoRequest.Metric.HTTP.metricName()).get()
                .getNodes().get(0).getInfo(HttpInfo.class);
        Path port = home.resolve("port.new");
        Files.writeString(port, http.getAddress().publishAddress().getPort() + "\n");
        Files.move(port, home.resolve("port")); // whole or not at all
        Thread.currentThread().join();
    }
}

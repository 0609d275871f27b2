import java.io.IOException;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.nio.file.Files;
import java.nio.file.Path;
import org.apache.cassandra.cql3.UntypedResultSet;
import org.apache.cassandra.cql3.QueryProcessor;
import org.apache.cassandra.db.ConsistencyLevel;
import org.apache.cassandra.service.CassandraDaemon;

/** One Cassandra node on loopback. Argument: the file that gets its port once it takes users. */
public final class Main {
    public static void main(String[] args) throws Exception {
        String asked = System.getenv("CASSANDRA_PORT");
        int[] free = freePorts(2);
        int port = asked == null ? free[0] : Integer.parseInt(asked);
        System.setProperty("cassandra.native_transport_port", Integer.toString(port));
        System.setProperty("cassandra.storage_port", Integer.toString(free[1]));
        new CassandraDaemon(true).activate();
        // The first user is made in the background.
        while (!hasUser()) {
            Thread.sleep(100);
        }
        Files.writeString(Path.of(args[0]), port + "\n");
        Thread.currentThread().join();
    }

    private static boolean hasUser() {
        try {
            UntypedResultSet found = QueryProcessor.execute(
                "SELECT role FROM system_auth.roles WHERE role = 'cassandra'", ConsistencyLevel.ONE);
            return !found.isEmpty();
        } catch (RuntimeException notYet) {
            return false;
        }
    }

    /** Ports that are free now; held together, so that they differ. */
    private static int[] freePorts(int count) throws IOException {
        ServerSocket[] held = new ServerSocket[count];
        int[] ports = new int[count];
        for (int i = 0; i < count; i++) {
            held[i] = new ServerSocket(0, 1, InetAddress.getByName("127.0.0.1"));
            ports[i] = held[i].getLocalPort();
        }
        for (ServerSocket socket : held) {
            socket.close();
        }
        return ports;
    }
}

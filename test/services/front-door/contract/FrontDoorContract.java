import java.io.IOException;
import java.net.URI;
import org.apache.hadoop.conf.Configuration;
import org.apache.hadoop.fs.FileSystem;
import org.apache.hadoop.fs.Path;
import org.apache.hadoop.fs.contract.AbstractContractContentSummaryTest;
import org.apache.hadoop.fs.contract.AbstractContractCopyFromLocalTest;
import org.apache.hadoop.fs.contract.AbstractContractCreateTest;
import org.apache.hadoop.fs.contract.AbstractContractDeleteTest;
import org.apache.hadoop.fs.contract.AbstractContractGetFileStatusTest;
import org.apache.hadoop.fs.contract.AbstractContractMkdirTest;
import org.apache.hadoop.fs.contract.AbstractContractOpenTest;
import org.apache.hadoop.fs.contract.AbstractContractRenameTest;
import org.apache.hadoop.fs.contract.AbstractContractSeekTest;
import org.apache.hadoop.fs.contract.AbstractFSContract;

/** The staging server as Hadoop's contract tests see it: what it has is in contract.xml, where it is in two system properties. */
public final class FrontDoorContract extends AbstractFSContract {
  private FileSystem fileSystem;

  FrontDoorContract(Configuration configuration) {
    super(configuration);
    addConfResource("contract.xml");
  }

  @Override
  public void init() throws IOException {
    super.init();
    fileSystem = FileSystem.newInstance(URI.create(System.getProperty("front.door")), getConf());
  }

  @Override
  public FileSystem getTestFileSystem() {
    return fileSystem;
  }

  @Override
  public String getScheme() {
    return "webhdfs";
  }

  @Override
  public Path getTestPath() {
    return new Path(System.getProperty("front.door.path"), "test");
  }

  public static final class CreateTest extends AbstractContractCreateTest {
    @Override
    protected AbstractFSContract createContract(Configuration configuration) {
      return new FrontDoorContract(configuration);
    }
  }

  public static final class OpenTest extends AbstractContractOpenTest {
    @Override
    protected AbstractFSContract createContract(Configuration configuration) {
      return new FrontDoorContract(configuration);
    }
  }

  public static final class SeekTest extends AbstractContractSeekTest {
    @Override
    protected AbstractFSContract createContract(Configuration configuration) {
      return new FrontDoorContract(configuration);
    }
  }

  public static final class MkdirTest extends AbstractContractMkdirTest {
    @Override
    protected AbstractFSContract createContract(Configuration configuration) {
      return new FrontDoorContract(configuration);
    }
  }

  public static final class DeleteTest extends AbstractContractDeleteTest {
    @Override
    protected AbstractFSContract createContract(Configuration configuration) {
      return new FrontDoorContract(configuration);
    }
  }

  public static final class RenameTest extends AbstractContractRenameTest {
    @Override
    protected AbstractFSContract createContract(Configuration configuration) {
      return new FrontDoorContract(configuration);
    }
  }

  public static final class GetFileStatusTest extends AbstractContractGetFileStatusTest {
    @Override
    protected AbstractFSContract createContract(Configuration configuration) {
      return new FrontDoorContract(configuration);
    }
  }

  public static final class ContentSummaryTest extends AbstractContractContentSummaryTest {
    @Override
    protected AbstractFSContract createContract(Configuration configuration) {
      return new FrontDoorContract(configuration);
    }
  }

  public static final class CopyFromLocalTest extends AbstractContractCopyFromLocalTest {
    @Override
    protected AbstractFSContract createContract(Configuration configuration) {
      return new FrontDoorContract(configuration);
    }
  }
}

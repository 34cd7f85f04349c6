// Verifies evidence that `weir --save FILE` wrote, trusting one block ID and no server:
//
//     kotlinc -cp jna.jar examples/kotlin/Main.kt target/ffi/kotlin/uniffi/weir/weir.kt -include-runtime -d epoch.jar
//     java -Djna.library.path=target/ffi/kotlin -cp epoch.jar:jna.jar MainKt CHECKPOINT_ID FILE $(date +%s)000
import java.io.File
import kotlin.system.exitProcess
import uniffi.weir.TrustedState
import uniffi.weir.View
import uniffi.weir.WeirException
import uniffi.weir.timingAt
import uniffi.weir.verifyFile

fun main(arguments: Array<String>) {
    if (arguments.size != 3) {
        System.err.println("usage: MainKt CHECKPOINT_ID FILE NOW_MS")
        exitProcess(2)
    }
    val (checkpointId, file, now) = arguments
    val evidence = File(file).readBytes()
    val timing = timingAt(now.toULong())
    try {
        TrustedState.fromCheckpoint(checkpointId, evidence).use { trusted ->
            println("checkpoint at height ${trusted.checkpoint().height}")
        }
        println(verifyFile(checkpointId, evidence, timing, View.WHOLE))
    } catch (error: WeirException) {
        System.err.println(error.message)
        exitProcess(3)
    }
}

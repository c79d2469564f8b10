#include <algorithm>
#include <string>
#include <vector>

#include "scan/callables.h"

namespace hauberk::scan {
namespace {

// One group: what its names can do. The names are separated by blanks, so that a group reads as a list.
struct Group {
  Risk risk;
  Check check;
  std::string_view effect;
  std::string_view names;
};

constexpr Group groups[] = {
    {Risk::execution, Check::none, "run a command of the system",
     "_aix_support.* _crypt.* _osx_support.* _posixsubprocess.* _pyrepl.* _winapi.* _winreg.* anyio.open_process "
     "anyio.run_process asyncio.create_subprocess_exec asyncio.create_subprocess_shell asyncio.subprocess.* "
     "asyncssh.* commands.* crypt.* delegator.* docker.* envoy.* fabric.* invoke.* mailcap.* msvcrt.* nt.* "
     "ntpath.* os.* paramiko.* pexpect.* pipes.* platform.* plumbum.* popen2.* posix.* posixpath.* psutil.* pty.* "
     "ptyprocess.* sarge.* sh.* subprocess.* trio.run_process uuid._find_mac uuid._find_mac_near_keyword "
     "uuid._find_mac_netstat uuid._find_mac_under_heading uuid._get_command_stdout uuid._popen winreg.*"},
    {Risk::execution, Check::none, "run native code",
     "Cython.* _cffi_backend.* _ctypes.* cffi.* clr.* cppyy.* ctypes.* jnius.* jpype.* numpy.ctypeslib.* "
     "numpy.distutils.* numpy.f2py.* pyximport.* scipy.weave.* tensorflow.load_library tensorflow.load_op_library "
     "tensorflow.python.framework.load_library.* torch._inductor.* torch._ops.* torch.classes.* torch.compile "
     "torch.ops.* torch.utils._config_module.* torch.utils.bottleneck.* torch.utils.collect_env.* "
     "torch.utils.cpp_extension.* torch.utils.data.datapipes.utils.decoder.* weave.*"},
    {Risk::execution, Check::none, "run code or a script",
     "IPython.* Pyro4.* Pyro5.* RestrictedPython.* _pip.* _pytest.* antigravity.* asteval.* bdb.* bottle.* "
     "cProfile.* chameleon.* cherrypy.* cmd.* code.* codeop.* compileall.* distutils.* django.* doctest.* "
     "ensurepip.* execnet.* faulthandler.* fire.* flask.* frida.* genshi.* idlelib.* ipykernel.* jinja2.* "
     "joblib._multiprocessing_helpers.* joblib._parallel_backends.* joblib.externals.* jupyter_client.* "
     "jupyter_core.* keras.src.utils.python_utils.* langchain_experimental.* lib2to3.* lief.* mako.* "
     "modulefinder.* nbconvert.* nbformat.* nose.* numexpr.* numpy._core._internal.* numpy.core._internal.* "
     "numpy.lib.utils.* numpy.testing.* pandas.DataFrame.eval pandas.DataFrame.query pandas.core.apply.* "
     "pandas.core.computation.* pandas.core.frame.DataFrame.eval pandas.core.frame.DataFrame.query pandas.eval "
     "papermill.* pdb.* pip.* plac.* profile.* pwn.* pwnlib.* py_compile.* pyclbr.* pydoc.* pytest.* "
     "rlcompleter.* rpyc.* runpy.* setuptools.* simpleeval.* site.* sitecustomize.* smolagents.* tabnanny.* "
     "test.* this.* timeit.* torch.multiprocessing.* torch.testing.* torchvision.datasets.utils.* "
     "tornado.template.* tox.* trace.* transformers.agents.* transformers.dynamic_module_utils.* "
     "transformers.tools.* turtle.* turtledemo.* unittest.* usercustomize.* venv.* werkzeug.* zipapp.*"},
    {Risk::execution, Check::none, "run code",
     "Tkinter.* _bootsubprocess.* _codecs.register _codecs.register_error _ctypes_test.* "
     "_interpchannels.* _interpqueues.* _interpreters.* _multiprocessing.* _opcode.* _operator.call "
     "_operator.delitem _operator.setitem _pydecimal.* _signal.* _sitebuiltins.* _sys.* "
     "_sysconfigdata.* _testcapi.* _testinternalcapi.* _thread.start_new _thread.start_new_thread "
     "_xxinterpchannels.* _xxsubinterpreters.* abc.update_abstractmethods asyncio.* atexit.* bsddb.* "
     "builtins.__build_class__ builtins.apply builtins.breakpoint builtins.compile builtins.eval builtins.exec "
     "builtins.execfile builtins.help builtins.reload builtins.runfile cgi.* cgitb.* codecs.register "
     "codecs.register_error concurrent.* copyreg.add_extension copyreg.constructor copyreg.dispatch_table "
     "copyreg.pickle copyreg.remove_extension curses.* dataclasses.make_dataclass dis.* eventlet.* fsspec.core.* "
     "gc.* hydra._internal.* hydra.utils.get_class hydra.utils.get_method "
     "hydra.utils.instantiate inspect.* interpreters.* itertools.accumulate itertools.dropwhile "
     "itertools.filterfalse itertools.groupby itertools.starmap itertools.takewhile keyboard.* logging.config.* "
     "mouse.* multiprocessing.* new.* nltk.app.* nturl2path.* opcode.* operator.call operator.delitem "
     "operator.setitem pandas.test pandas.util._print_versions.* pandas.util._tester.* "
     "pyautogui.* pynput.* pyperclip.* pythoncom.* pywintypes.* sched.* setproctitle.* signal.* "
     "sklearn.show_versions string.Formatter string.Formatter.* sympy.core.sympify.sympify sympy.lambdify "
     "sympy.parse_expr sympy.parsing.sympy_parser.* sympy.sympify sympy.utilities.lambdify.* symtable.* sys.* "
     "sysconfig.* thread.* threading.Thread threading.Timer tkinter.* tokenize.* torch._dynamo.guards.* "
     "torch.fx.experimental.* torch.jit.unsupported_tensor_ops.execWrapper types.FunctionType types.LambdaType "
     "types.MethodType types.ModuleType types.coroutine types.new_class types.prepare_class types.resolve_bases "
     "typing.ForwardRef._evaluate typing._eval_type typing.get_type_hints weakref.finalize win32api.* win32com.* "
     "wmi.* wsgiref.*"},
    {Risk::execution, Check::none, "import or look up any module",
     "_frozen_importlib.* _frozen_importlib_external.* _imp.* builtins.__import__ django.utils.module_loading.* "
     "entrypoints.* ihooks.* imp.* importlib.* importlib_metadata.* importlib_resources.* imputil.* "
     "keras.utils.deserialize_keras_object numpy._core.overrides.* numpy.core.overrides.* pkg_resources.* "
     "pkgutil.* pluggy.* pydantic._internal.* pydantic.utils.import_string pydoc.locate scipy._lib.deprecation.* "
     "sklearn.utils._testing.* stevedore.* torch._lazy.* torch._sources.* torch._utils_internal.* "
     "torch._weights_only_unpickler.* werkzeug.utils.import_string zipimport.* zipimporter.*"},
    {Risk::execution, Check::none, "reach any attribute or namespace",
     "builtins.__dict__ builtins.__loader__ builtins.__spec__ builtins.delattr builtins.filter builtins.globals "
     "builtins.input builtins.locals builtins.map builtins.raw_input builtins.vars "
     "operator.__getitem__"},
    {Risk::execution, Check::none, "load another serialised object",
     "_dill.* _pickle.* cPickle.* cloudpickle.cloudpickle._dynamic_class_tracker "
     "cloudpickle.cloudpickle.dynamic_subimport cloudpickle.cloudpickle.load cloudpickle.cloudpickle.loads "
     "cloudpickle.load cloudpickle.loads dbm.* dill.* "
     "gensim.utils.SaveLoad.load gensim.utils.unpickle hickle.* joblib.hashing.* joblib.load "
     "joblib.numpy_pickle.NumpyUnpickler joblib.numpy_pickle.load joblib.numpy_pickle_utils.* jsonpickle.* "
     "keras.models.load_model keras.saving.load_model keras.src.saving.saving_api.load_model "
     "keras.src.saving.saving_lib.* keras.src.saving.saving_lib.load_model klepto.* lightgbm.register_logger "
     "marshal.* numpy.core.multiarray.fromfile numpy.lib._format_impl.* numpy.lib._npyio_impl.load "
     "numpy.lib.format.* numpy.lib.npyio.load numpy.load onnxruntime.InferenceSession "
     "pandas.compat.pickle_compat.* pandas.core.generic.NDFrame.to_pickle pandas.io.pickle.* pandas.read_pickle "
     "pandas.to_pickle pickle.* pickle5.* pickletools.* plistlib.* pox.* pstats.* ruamel.* ruamel_yaml.* "
     "safetensors.torch.load_file scipy.io.* shelve.* skops.io.load skops.io.loads srsly.* "
     "tensorflow.keras.models.load_model tensorflow.saved_model.load torch.hub.* torch.jit._serialization.load "
     "torch.jit.load torch.load torch.serialization._legacy_load torch.serialization._load "
     "torch.serialization.load torch.utils.benchmark.* torch.utils.mobile_optimizer.* torch.utils.model_zoo.* "
     "tracemalloc.Snapshot.load xdrlib.* yaml.*"},
    {Risk::execution, Check::none, "switch off a scanner",
     "bandit.* fickling.* guarddog.* hauberk.* modelaudit.* modelscan.* picklescan.* saferpickle.*"},
    {Risk::code, Check::none, "carry code",
     "builtins.__builtins__ builtins.__main__ cloudpickle.* dill._dill.* dill._objects.* dill.source.*"},
    {Risk::execution, Check::none, "start other programs", "webbrowser.* xdg.*"},
    {Risk::access, Check::none, "reach the network",
     "MySQLdb.* SocketServer.* _socket.* _ssl.* aiohttp.* asynchat.* asyncore.* boto.* boto3.* botocore.* dns.* "
     "ftplib.* gcsfs.* gdown.* h2.* h2o.backend.connection.H2OConnection http.* httpcore.* httplib.* httpx.* "
     "huggingface_hub.* imaplib.* kafka.* keras.src.utils.file_utils.* keras.utils.get_file ldap3.* mailbox.* "
     "mysql.* nis.* nmap.* nntplib.* optuna.storages.RDBStorage optuna.storages._rdb.* pika.* poplib.* psycopg2.* "
     "pyarrow._flight.* pyarrow._fs.* pyarrow._hdfs.* pyarrow.flight.* pyarrow.fs.* pycurl.* pymongo.* pymysql.* "
     "redis.* requests.* s3fs.* scapy.* sklearn.callback._transport.* sklearn.datasets.* smtpd.* smtplib.* "
     "socket.* socketserver.* sqlalchemy.* ssl.* telnetlib.* tensorflow.distribute.Server "
     "tensorflow.keras.utils.get_file tensorflow.python.training.server_lib.* torchvision.datasets.* "
     "transformers.file_utils.* transformers.utils.hub.* urllib.* urllib2.* urllib3.* uuid._ifconfig_getter "
     "uuid.getnode wandb.* websocket.* websockets.* wget.* xmlrpc.* xmlrpclib.* zmq.*"},
    {Risk::access, Check::none, "read or write files",
     "_io.* _posixshmem.* _pyio.* _sqlite3.* aifc.open argparse.FileType builtins.file builtins.open bz2.* "
     "codecs.EncodedFile codecs.StreamReaderWriter codecs.open fcntl.* filecmp.* fileinput.* genericpath.* "
     "gensim.models.word2vec.LineSentence gensim.models.word2vec.PathLineSentences getpass.* glob.* grp.* gzip.* "
     "imghdr.what io.* io.BufferedRandom io.BufferedReader io.BufferedWriter io.FileIO io.OpenWrapper "
     "io.TextIOWrapper io.open io.open_code joblib._memmapping_reducer.* joblib.disk.* joblib.dump "
     "joblib.func_inspect.* joblib.logger.* joblib.memory.* joblib.numpy_pickle.* linecache.* logging.* "
     "logging.handlers.* lzma.* mmap.* netrc.* numpy.DataSource numpy.core.memmap.* numpy.core.records.fromfile "
     "numpy.fromfile numpy.genfromtxt numpy.lib._datasource.* numpy.lib._npyio_impl.* numpy.lib.npyio.* "
     "numpy.loadtxt numpy.memmap numpy.ndarray.tofile numpy.save numpy.savetxt numpy.savez numpy.savez_compressed "
     "pandas.ExcelFile pandas.ExcelWriter pandas.HDFStore pandas.compat.compressors.* pandas.io.* "
     "pandas.read_clipboard pandas.read_csv pandas.read_excel pandas.read_feather pandas.read_hdf "
     "pandas.read_html pandas.read_json pandas.read_orc pandas.read_parquet pandas.read_sas pandas.read_spss "
     "pandas.read_sql pandas.read_sql_query pandas.read_stata pandas.read_table pandas.read_xml pathlib.* pwd.* "
     "pyarrow.MemoryMappedFile pyarrow.OSFile pyarrow.lib.MemoryMappedFile pyarrow.lib.OSFile "
     "pyarrow.parquet.ParquetWriter pyarrow.parquet.core.ParquetWriter readline.* resource.* "
     "scipy._lib._tmpdirs.* scipy.sparse._matrix_io.load_npz scipy.sparse._matrix_io.save_npz "
     "scipy.sparse.load_npz scipy.sparse.save_npz shutil.* sndhdr.what spwd.* sqlite3.* sunau.open syslog.* "
     "tarfile.* tempfile.* tensorflow.io.TFRecordWriter tensorflow.io.gfile.* tensorflow.python.lib.io.* "
     "tensorflow.python.platform.* termios.* torch.from_file torch.save torch.utils.file_baton.* "
     "tracemalloc.Snapshot.dump tty.* uu.* watchdog.* wave.open xlrd.* xml.dom.expatbuilder.parse "
     "xml.dom.minidom.parse xml.dom.pulldom.parse xml.etree.ElementTree.iterparse xml.etree.ElementTree.parse "
     "xml.etree.cElementTree.iterparse xml.etree.cElementTree.parse xml.sax.parse zipfile.*"},
    {Risk::harmless, Check::none, "",
     "__future__._Feature __future__.annotations __future__.division __future__.print_function "
     "_collections.defaultdict _collections.deque _collections_abc.dict_keys _decimal.Decimal _io.BytesIO "
     "_io.StringIO _operator.add _operator.eq _operator.gt _operator.lt _operator.mul _operator.sub "
     "_operator.truediv argparse.Namespace array._array_reconstructor array.array builtins.ArithmeticError "
     "builtins.AssertionError builtins.AttributeError builtins.BaseException builtins.DeprecationWarning "
     "builtins.Ellipsis builtins.Exception builtins.FutureWarning builtins.ImportError builtins.IndexError "
     "builtins.KeyError builtins.LookupError builtins.MemoryError builtins.NoneType builtins.NotImplemented "
     "builtins.NotImplementedError builtins.OSError builtins.OverflowError builtins.RuntimeError "
     "builtins.RuntimeWarning builtins.StopIteration builtins.TimeoutError builtins.TypeError "
     "builtins.UnicodeError builtins.UserWarning builtins.ValueError builtins.Warning builtins.ZeroDivisionError "
     "builtins.abs builtins.all builtins.any builtins.basestring builtins.bin builtins.bool builtins.bytearray "
     "builtins.bytes builtins.chr builtins.complex builtins.dict builtins.divmod builtins.enumerate "
     "builtins.float builtins.frozenset builtins.hash builtins.hex builtins.int builtins.isinstance builtins.len "
     "builtins.list builtins.long builtins.max builtins.min builtins.object builtins.oct builtins.ord "
     "builtins.pow builtins.range builtins.repr builtins.reversed builtins.round builtins.set builtins.slice "
     "builtins.sorted builtins.str builtins.sum builtins.tuple builtins.unicode builtins.zip collections.ChainMap "
     "collections.Counter collections.OrderedDict collections.UserDict collections.UserList "
     "collections.UserString collections.abc.# collections.defaultdict collections.deque datetime.date "
     "datetime.datetime datetime.time datetime.timedelta datetime.timezone datetime.tzinfo dateutil.tz.tz.tzlocal "
     "dateutil.tz.tz.tzutc decimal.Context decimal.Decimal dill._dill._create_ftype fractions.Fraction "
     "gensim.utils.call_on_class_only inspect.Parameter inspect.Signature inspect._ParameterKind inspect._empty "
     "io.BytesIO io.StringIO ipaddress.IPv4Address ipaddress.IPv4Network ipaddress.IPv6Address "
     "ipaddress.IPv6Network itertools.chain itertools.combinations itertools.count itertools.cycle "
     "itertools.islice itertools.permutations itertools.product itertools.repeat "
     "joblib.numpy_pickle.NDArrayWrapper joblib.numpy_pickle.NumpyArrayWrapper "
     "joblib.numpy_pickle.ZNDArrayWrapper joblib.numpy_pickle_compat.NDArrayWrapper "
     "joblib.numpy_pickle_compat.ZNDArrayWrapper logging.Logger logging.RootLogger math.ceil math.cos math.exp "
     "math.fabs math.floor math.inf math.log math.log10 math.log1p math.log2 math.nan math.pow math.sin math.sqrt "
     "math.tan math.tanh ml_dtypes.bfloat16 ml_dtypes.float8_e4m3fn ml_dtypes.float8_e5m2 "
     "networkx.classes.graph.Graph numbers.Number numpy._core._internal._convert_to_stringdtype_kwargs "
     "numpy._core._internal._reconstruct numpy._core._multiarray_umath._reconstruct "
     "numpy._core._multiarray_umath.scalar numpy._core.multiarray._reconstruct numpy._core.multiarray.frombuffer "
     "numpy._core.multiarray.scalar numpy._core.numeric._frombuffer numpy._core.records.recarray numpy.amax "
     "numpy.amin numpy.arange numpy.argmax numpy.argmin numpy.array numpy.asarray numpy.bool numpy.bool8 "
     "numpy.bool_ numpy.bytes_ numpy.clip numpy.complex128 numpy.complex256 numpy.complex64 numpy.concatenate "
     "numpy.core._internal._convert_to_stringdtype_kwargs numpy.core._internal._reconstruct "
     "numpy.core._multiarray_umath._reconstruct numpy.core._multiarray_umath.scalar "
     "numpy.core.multiarray._reconstruct numpy.core.multiarray.array numpy.core.multiarray.dtype "
     "numpy.core.multiarray.frombuffer numpy.core.multiarray.ndarray numpy.core.multiarray.scalar "
     "numpy.core.numeric._frombuffer numpy.core.numeric.dtype numpy.core.numerictypes.sctype2char "
     "numpy.core.records.recarray numpy.cumsum numpy.datetime64 numpy.dot numpy.double numpy.dtype numpy.float128 "
     "numpy.float16 numpy.float32 numpy.float64 numpy.float_ numpy.frombuffer numpy.full numpy.generic numpy.half "
     "numpy.identity numpy.inf numpy.int16 numpy.int32 numpy.int64 numpy.int8 numpy.int_ numpy.intc numpy.intp "
     "numpy.longdouble numpy.longlong numpy.ma.MaskedArray numpy.ma.core.MaskedArray numpy.ma.core.MaskedConstant "
     "numpy.matrix numpy.matrixlib.defmatrix.matrix numpy.max numpy.mean numpy.median numpy.min numpy.nan "
     "numpy.nan_to_num numpy.ndarray numpy.number numpy.object_ numpy.ones numpy.poly1d numpy.prod "
     "numpy.random.RandomState numpy.random.__RandomState_ctor numpy.random._generator.Generator "
     "numpy.random._mt19937.MT19937 numpy.random._pcg64.PCG64 numpy.random._pcg64.PCG64DXSM "
     "numpy.random._philox.Philox numpy.random._sfc64.SFC64 numpy.random.bit_generator.BitGenerator "
     "numpy.random.bit_generator.ISeedSequence numpy.random.bit_generator.SeedSequence "
     "numpy.random.bit_generator.__pyx_unpickle_SeedSequence numpy.random.mtrand.RandomState numpy.ravel "
     "numpy.rec.recarray numpy.recarray numpy.record numpy.reshape numpy.round numpy.single numpy.sort numpy.std "
     "numpy.str_ numpy.string_ numpy.sum numpy.timedelta64 numpy.transpose numpy.uint numpy.uint16 numpy.uint32 "
     "numpy.uint64 numpy.uint8 numpy.uintp numpy.ulonglong numpy.unicode_ numpy.unique numpy.var numpy.void "
     "numpy.zeros operator.add operator.and_ operator.concat operator.contains operator.eq operator.floordiv "
     "operator.ge operator.gt operator.index operator.is_ operator.is_not operator.le operator.lt operator.matmul "
     "operator.mod operator.mul operator.ne operator.neg operator.not_ operator.or_ operator.pos operator.pow "
     "operator.sub operator.truediv operator.truth operator.xor pandas._libs.internals._unpickle_block "
     "pandas._libs.tslibs.nattype.__nat_unpickle pandas._libs.tslibs.nattype._nat_unpickle "
     "pandas._libs.tslibs.offsets._unpickle_offset pandas._libs.tslibs.period._unpickle_period "
     "pandas._libs.tslibs.timedeltas._timedelta_unpickle pandas._libs.tslibs.timestamps._unpickle_timestamp "
     "pandas.core.internals.blocks.new_block pathlib.Path pathlib.PosixPath pathlib.PurePath "
     "pathlib.PurePosixPath pathlib.PureWindowsPath pathlib.WindowsPath pathlib._local.PosixPath "
     "pathlib._local.PurePosixPath pathlib._local.PureWindowsPath pathlib._local.WindowsPath "
     "pyarrow.lib._reconstruct_record_batch pyarrow.lib._reconstruct_table pyarrow.lib._restore_array "
     "pyarrow.lib.chunked_array pyarrow.lib.field pyarrow.lib.py_buffer pyarrow.lib.schema "
     "pyarrow.lib.type_for_alias random.Random random._inst re.Pattern re._compile re.compile "
     "scipy.special.boxcox scipy.special.erf scipy.special.erfc scipy.special.expit scipy.special.expm1 "
     "scipy.special.gamma scipy.special.gammaln scipy.special.inv_boxcox scipy.special.log1p scipy.special.logit "
     "scipy.special.logsumexp scipy.special.softmax sklearn.feature_selection._univariate_selection.chi2 "
     "sklearn.feature_selection._univariate_selection.f_classif "
     "sklearn.feature_selection._univariate_selection.f_regression "
     "sklearn.feature_selection.univariate_selection.chi2 "
     "sklearn.feature_selection.univariate_selection.f_classif "
     "sklearn.feature_selection.univariate_selection.f_regression "
     "sklearn.feature_selection.univariate_selection_.chi2 "
     "sklearn.feature_selection.univariate_selection_.f_classif "
     "sklearn.feature_selection.univariate_selection_.f_regression sklearn.metrics._scorer._passthrough_scorer "
     "sklearn.metrics.scorer._passthrough_scorer sklearn.utils._bunch.Bunch string.ascii_letters time.struct_time "
     "torch.BFloat16Storage torch.BFloat16Tensor torch.BoolStorage torch.BoolTensor torch.ByteStorage "
     "torch.ByteTensor torch.CharStorage torch.CharTensor torch.ComplexDoubleStorage torch.ComplexFloatStorage "
     "torch.DoubleStorage torch.DoubleTensor torch.FloatStorage torch.FloatTensor torch.Generator "
     "torch.HalfStorage torch.HalfTensor torch.IntStorage torch.IntTensor torch.LongStorage torch.LongTensor "
     "torch.QInt32Storage torch.QInt8Storage torch.QUInt2x4Storage torch.QUInt4x2Storage torch.QUInt8Storage "
     "torch.ShortStorage torch.ShortTensor torch.Size torch.Tensor torch.TypedStorage torch.UntypedStorage "
     "torch._C._nn.gelu torch._C._nn.hardtanh torch._C._nn.leaky_relu torch._C._nn.linear torch._C._nn.silu "
     "torch._namedtensor_internals.check_serializing_named_tensor torch._tensor.Tensor "
     "torch._utils._rebuild_device_tensor_from_cpu_tensor torch._utils._rebuild_device_tensor_from_numpy "
     "torch._utils._rebuild_meta_tensor_no_storage torch._utils._rebuild_nested_tensor "
     "torch._utils._rebuild_parameter torch._utils._rebuild_parameter_v2 "
     "torch._utils._rebuild_parameter_with_state torch._utils._rebuild_qtensor "
     "torch._utils._rebuild_sparse_csr_tensor torch._utils._rebuild_sparse_tensor torch._utils._rebuild_tensor "
     "torch._utils._rebuild_tensor_v2 torch._utils._rebuild_tensor_v3 torch._utils._rebuild_wrapper_subclass "
     "torch._utils._rebuild_xla_tensor torch.abs torch.add torch.addmm torch.backends.cuda.sdp_kernel "
     "torch.bfloat16 torch.bool torch.cat torch.cdouble torch.cfloat torch.channels_last torch.complex128 "
     "torch.complex32 torch.complex64 torch.contiguous_format torch.cuda.BFloat16Storage torch.cuda.BoolStorage "
     "torch.cuda.ByteStorage torch.cuda.CharStorage torch.cuda.ComplexDoubleStorage "
     "torch.cuda.ComplexFloatStorage torch.cuda.DoubleStorage torch.cuda.FloatStorage torch.cuda.HalfStorage "
     "torch.cuda.IntStorage torch.cuda.LongStorage torch.cuda.QInt32Storage torch.cuda.QInt8Storage "
     "torch.cuda.QUInt2x4Storage torch.cuda.QUInt4x2Storage torch.cuda.QUInt8Storage torch.cuda.ShortStorage "
     "torch.cuda.TypedStorage torch.cuda.UntypedStorage torch.device "
     "torch.distributed.fsdp._shard_utils.Placeholder torch.distributions.constraints._Real torch.double "
     "torch.dtype torch.exp torch.float torch.float16 torch.float32 torch.float64 torch.float8_e4m3fn "
     "torch.float8_e4m3fnuz torch.float8_e5m2 torch.float8_e5m2fnuz torch.float8_e8m0fnu torch.half torch.int "
     "torch.int16 torch.int32 torch.int64 torch.int8 torch.jit._pickle.build_boollist "
     "torch.jit._pickle.build_doublelist torch.jit._pickle.build_intlist torch.jit._pickle.build_tensor_from_id "
     "torch.jit._pickle.build_tensorlist torch.jit._pickle.restore_type_tag torch.layout torch.log torch.long "
     "torch.matmul torch.max torch.mean torch.memory_format torch.min torch.mul torch.nn.Parameter "
     "torch.nn.functional.binary_cross_entropy torch.nn.functional.binary_cross_entropy_with_logits "
     "torch.nn.functional.celu torch.nn.functional.cross_entropy torch.nn.functional.dropout "
     "torch.nn.functional.elu torch.nn.functional.gelu torch.nn.functional.glu torch.nn.functional.hardsigmoid "
     "torch.nn.functional.hardswish torch.nn.functional.hardtanh torch.nn.functional.interpolate "
     "torch.nn.functional.l1_loss torch.nn.functional.leaky_relu torch.nn.functional.linear "
     "torch.nn.functional.log_softmax torch.nn.functional.logsigmoid torch.nn.functional.mish "
     "torch.nn.functional.mse_loss torch.nn.functional.nll_loss torch.nn.functional.normalize "
     "torch.nn.functional.pad torch.nn.functional.relu torch.nn.functional.relu6 torch.nn.functional.rrelu "
     "torch.nn.functional.selu torch.nn.functional.sigmoid torch.nn.functional.silu "
     "torch.nn.functional.smooth_l1_loss torch.nn.functional.softmax torch.nn.functional.softmin "
     "torch.nn.functional.softplus torch.nn.functional.softshrink torch.nn.functional.softsign "
     "torch.nn.functional.tanh torch.nn.functional.tanhshrink torch.nn.functional.threshold "
     "torch.nn.init.constant_ torch.nn.init.dirac_ torch.nn.init.eye_ torch.nn.init.kaiming_normal_ "
     "torch.nn.init.kaiming_uniform_ torch.nn.init.normal_ torch.nn.init.ones_ torch.nn.init.orthogonal_ "
     "torch.nn.init.sparse_ torch.nn.init.trunc_normal_ torch.nn.init.uniform_ torch.nn.init.xavier_normal_ "
     "torch.nn.init.xavier_uniform_ torch.nn.init.zeros_ torch.nn.parameter.Buffer torch.nn.parameter.Parameter "
     "torch.nn.parameter.UninitializedParameter torch.ones torch.optim.lr_scheduler.LambdaLR "
     "torch.package.package_importer.torch_package_importer_placeholder torch.per_channel_affine "
     "torch.per_channel_symmetric torch.per_tensor_affine torch.per_tensor_symmetric torch.preserve_format "
     "torch.qint32 torch.qint8 torch.qscheme torch.quint8 torch.relu torch.serialization.MAP_LOCATION "
     "torch.serialization._get_layout torch.short torch.sigmoid torch.softmax torch.sparse_coo torch.sparse_csr "
     "torch.sqrt torch.stack torch.storage.TypedStorage torch.storage.UntypedStorage torch.storage._TypedStorage "
     "torch.storage._UntypedStorage torch.strided torch.sum torch.tanh torch.tensor "
     "torch.torch_version.TorchVersion torch.uint16 torch.uint32 torch.uint64 torch.uint8 "
     "torch.utils.data.dataset.TensorDataset torch.utils.data.sampler.RandomSampler "
     "torch.utils.data.sampler.SequentialSampler torch.utils.hooks.RemovableHandle torch.zeros "
     "transformers.activations.gelu_python types.EllipsisType types.GenericAlias types.MappingProxyType "
     "types.NoneType types.SimpleNamespace typing.Any typing.Dict typing.Generic typing.List typing.Optional "
     "typing.OrderedDict typing.Tuple typing.Union uuid.SafeUUID uuid.UUID"},
    {Risk::class_only, Check::none, "",
     "CHAID.# TTS.# _loss.# accelerate.# aif360.# allennlp.# apex.# ase.# asteroid.# astropy.# attr.# attrs.# "
     "audiocraft.# auto_gptq.# awq.# bark.# basicsr.# bidict.# bitsandbytes.# boruta.# catboost.# "
     "category_encoders.# causalml.# chemprop.# chex.# chronos.# clip.# combo.# composer.# cudf.# cuml.# d3rlpy.# "
     "darts.# deepchem.# deepspeed.# demucs.# detectron2.# dgl.# diffusers.# dirty_cat.# doctr.# easyocr.# "
     "econml.# efficientnet_pytorch.# einops.# encodec.# espnet.# espnet2.# facexlib.# fairlearn.# fairseq.# "
     "fairseq2.# fastai.# fastcore.# fbprophet.# feature_engine.# flair.# flaml.# flash_attn.# flax.# formulaic.# "
     "frozendict.# gensim.# geopandas.# gfpgan.# gluonts.# groundingdino.# gym.# gymnasium.# h2o.# haiku.# "
     "hdbscan.# hivemind.# hpsklearn.# hpsklearn.estimator.estimator.hyperopt_estimator hyperopt.# imblearn.# "
     "implicit.# insightface.# interpret.# jax.# jaxlib.# keras.# kmodes.# kornia.# laion_clap.# layoutparser.# "
     "lifelines.# lightfm.# lightgbm.# lightning.# lightning_fabric.# lightning_utilities.# lime.# llava.# "
     "mamba_ssm.# megatron.# mlforecast.# mlxtend.# mmcv.# mmdet.# mmengine.# mmseg.# models.# monai.# "
     "mplug_owl2.# nanodet.# nemo.# networkx.# neuralforecast.# neuralprophet.# ngboost.# norfair.# numcodecs.# "
     "numpy.dtypes.# numpy.polynomial.# omegaconf.# onnxmltools.# open_clip.# openunmix.# optax.# optbinning.# "
     "optuna.# paddleocr.# pandas.# patsy.# peft.# pmdarima.# polars.# prophet.# pyannote.# pyarrow.# pycaret.# "
     "pydantic.# pygam.# pymatgen.# pyod.# pyproj.# pytorch_forecasting.# pytorch_lightning.# pytorch_tabnet.# "
     "ray.rllib.# rdkit.# realesrgan.# rembg.# reranker.# rfdetr.# river.# rl_zoo3.# rtdl.# s3prl.# "
     "sample_factory.# sb3_contrib.# scipy.# scipy.special._ufuncs.* segmentation_models_pytorch.# "
     "sentence_transformers.# sentencepiece.# shap.# shapely.# simpletransformers.# skl2onnx.# sklearn.# "
     "sklearn2pmml.# sklearn_crfsuite.# sklearn_pandas.# sklego.# skmultilearn.# skopt.# skrub.# sksurv.# "
     "sktime.# sortedcontainers.# spacy.# sparse.# speechbrain.# stable_baselines3.# stanza.# statsforecast.# "
     "statsmodels.# super_gradients.# supervision.# surprise.# tab_transformer_pytorch.# tabpfn.# tensorflow.# "
     "thinc.# tianshou.# timm.# tokenizers.# torch.amp.# torch.ao.# torch.autograd.# torch.backends.# "
     "torch.cuda.amp.# torch.distributions.# torch.futures.# torch.nn.# torch.optim.# torch.quantization.# "
     "torch.utils.data.dataloader.# torch.utils.data.dataset.# torch.utils.data.sampler.# torch_geometric.# "
     "torchaudio.models.# torchaudio.transforms.# torchmetrics.# torchtext.# torchvision.models.# "
     "torchvision.ops.# torchvision.transforms.# tpot.# transformers.# treelib.# treelite.# treeple.# trl.# "
     "tslearn.# ultralytics.# umap.# whisper.# xformers.# xgboost.# yellowbrick.# yolov5.# yolov7.# yolox.#"},
    {Risk::by_arguments, Check::encoding, "", "_codecs.decode _codecs.encode codecs.decode codecs.encode"},
    {Risk::by_arguments, Check::partial, "call the function that it wraps",
     "_functools.partial functools.partial functools.partialmethod"},
    {Risk::by_arguments, Check::getter, "",
     "_operator.attrgetter _operator.itemgetter operator.attrgetter operator.itemgetter"},
    {Risk::by_arguments, Check::attribute, "reach any attribute", "builtins.getattr"},
    {Risk::by_arguments, Check::nested_pickle, "load another serialised object", "torch.storage._load_from_bytes"},
    {Risk::by_arguments, Check::dill_type, "carry code", "dill._dill._load_type"},
    {Risk::by_arguments, Check::method_caller, "call a method of what it is given",
     "_operator.methodcaller operator.methodcaller"},
    {Risk::by_arguments, Check::type_of, "make a class", "builtins.type"},
    {Risk::code, Check::none, "carry code or run a program of its own",
     "_thread.* airflow.* anyio.* ast.* autogen.* celery.* click.* contextlib.* curio.* dask.* "
     "dataclasses._create_fn distributed.* dummy_threading.* evaluate.* fsspec.* gevent.* gradio.* greenlet.* "
     "hydra.* joblib.parallel.* kedro.* keras.saving.* keras.src.saving.* langchain.* langchain_community.* "
     "langchain_core.* llama_index.* llvmlite.* luigi.* mlflow.* nltk.* numba.* onnxruntime.* prefect.* pyspark.* "
     "ray.* rq.* six.* skops.* spacy.cli.* spacy.util.* streamlit.* sympy.* tensorflow.python.keras.saving.* "
     "threading.* torch._C.* torch._export.* torch._functorch.* torch._six.* torch.distributed.* torch.export.* "
     "torch.fx.* torch.package.* torch.serialization.* trio.* twisted.* typer.* typing.ForwardRef"},
    {Risk::execution, Check::none, "make, compile or load code", "torch._dynamo.* torch.jit.* types.CodeType"},
    {Risk::execution, Check::none, "reach any module",
     "torch._dynamo.external_utils.* torch.fx.graph_module._exec_with_source "
     "torch.fx.graph_module._forward_from_src torch.serialization.os torch.serialization.sys"},
    {Risk::by_arguments, Check::calls_first, "call what it is given",
     "dill._dill._create_array jax._src.array._reconstruct_array"},
    {Risk::by_arguments, Check::imports, "import or look up any module",
     "numpy._core._ufunc_reconstruct numpy.core._ufunc_reconstruct"},
    {Risk::by_arguments, Check::bit_generator, "call what it is given", "numpy.random._pickle.__bit_generator_ctor"},
    {Risk::by_arguments, Check::random_state, "call what it is given",
     "numpy.random._pickle.__generator_ctor numpy.random._pickle.__randomstate_ctor"},
    {Risk::by_arguments, Check::calls_typed, "call what it is given",
     "torch._tensor._rebuild_from_type torch._tensor._rebuild_from_type_v2 torch.tensor._rebuild_from_type"},
    {Risk::by_arguments, Check::class_twice, "make an object of any class",
     "copyreg._reconstructor numpy.ma._core._mareconstruct numpy.ma.core._mareconstruct"},
    {Risk::by_arguments, Check::new_object, "make an object of any class", "copyreg.__newobj__ copyreg.__newobj_ex__"},
    {Risk::by_arguments, Check::class_first, "make an object of any class",
     "pandas.core.index._new_Index pandas.core.indexes.base._new_Index "
     "pandas.core.indexes.datetimes._new_DatetimeIndex pandas.core.indexes.period._new_PeriodIndex "
     "pandas.indexes.base._new_Index pandas.tseries.index._new_DatetimeIndex sklearn.metrics._dist_metrics.newObj "
     "sklearn.neighbors._ball_tree.newObj sklearn.neighbors._dist_metrics.newObj "
     "sklearn.neighbors._kd_tree.newObj sklearn.neighbors.ball_tree.newObj sklearn.neighbors.dist_metrics.newObj "
     "sklearn.neighbors.kd_tree.newObj"},
    {Risk::by_arguments, Check::enumeration, "make a class",
     "enum.Enum enum.Flag enum.IntEnum enum.IntFlag enum.ReprEnum enum.StrEnum"},
    {Risk::harmless, Check::shared, "",
     "logging.getLogger pytz.UTC pytz._UTC pytz._p pytz.utc zoneinfo.ZoneInfo zoneinfo.ZoneInfo._unpickle"},
    {Risk::by_arguments, Check::reduces, "run code", "_functools.reduce functools.reduce"},
    {Risk::harmless, Check::none, "",
     "optuna.samplers._tpe.sampler.default_gamma optuna.samplers._tpe.sampler.default_weights "
     "optuna.samplers._tpe.sampler.hyperopt_default_gamma river.naive_bayes.gaussian.GaussianNB._make_gaussian "
     "spacy.matcher.levenshtein.levenshtein_compare spacy.util._get_attr_unless_lookup"},
    {Risk::class_only, Check::none, "",
     "spacy.lang.* spacy.ml.* spacy.pipeline.* spacy.scorer.* thinc.initializers.* thinc.layers.* "
     "thinc.model.empty_init thinc.util.*"},
    {Risk::access, Check::none, "read or write files", "spacy.ml.models.entity_linker.load_kb"},
    {Risk::by_arguments, Check::one_argument, "call what it is given", "builtins.iter"},
    {Risk::by_arguments, Check::item, "fetch an item of anything", "_operator.getitem operator.getitem"},
    {Risk::by_arguments, Check::set_attribute, "reach any attribute or namespace", "builtins.setattr"},
    {Risk::by_arguments, Check::subimport, "import a module",
     "cloudpickle.cloudpickle.subimport cloudpickle.subimport"},
    {Risk::by_arguments, Check::types_name, "carry code",
     "cloudpickle._builtin_type cloudpickle.cloudpickle._builtin_type"},
    {Risk::by_arguments, Check::dill_repr, "evaluate a text as code", "dill._dill._eval_repr"},
    {Risk::by_arguments, Check::dill_method, "evaluate a text as code", "dill._dill._getattr"},
    {Risk::code, Check::nested_first, "carry code or run a program of its own",
     "numba.core.serialize._unpickle__CustomPickled"},
    {Risk::by_arguments, Check::nested_second, "load another serialised object", "spacy.tokens.doc.unpickle_doc"},
    {Risk::by_arguments, Check::nested_fifth, "load another serialised object", "spacy.vocab.unpickle_vocab"},
    {Risk::code, Check::none, "carry code or run a program of its own",
     "nltk.classify.megam.* nltk.classify.senna.* nltk.classify.tadm.* nltk.classify.weka.* nltk.tag.hunpos.* "
     "nltk.tag.senna.* nltk.tag.stanford.* nltk.tokenize.repp.* nltk.tokenize.stanford.* "
     "nltk.tokenize.stanford_segmenter.*"},
    {Risk::class_only, Check::none, "",
     "confection._config.Config hmmlearn.# http.HTTPMethod http.HTTPStatus nltk.classify.# nltk.collections.# "
     "nltk.grammar.# nltk.lm.# nltk.probability.# nltk.redos.# nltk.stem.# nltk.tag.# nltk.text.# "
     "nltk.tokenize.# nltk.tree.# numpy.vectorize re.RegexFlag regex._regex_core.RegexFlag slicer.# "
     "statistics.NormalDist statsmodels.genmod.families.links.cauchy statsmodels.genmod.families.links.cloglog "
     "statsmodels.genmod.families.links.identity statsmodels.genmod.families.links.inverse_power "
     "statsmodels.genmod.families.links.inverse_squared statsmodels.genmod.families.links.log "
     "statsmodels.genmod.families.links.logit statsmodels.genmod.families.links.loglog "
     "statsmodels.genmod.families.links.nbinom statsmodels.genmod.families.links.power "
     "statsmodels.genmod.families.links.probit statsmodels.genmod.families.links.sqrt "
     "statsmodels.tsa.statespace._initialization.cInitialization "
     "statsmodels.tsa.statespace._initialization.dInitialization "
     "statsmodels.tsa.statespace._initialization.sInitialization "
     "statsmodels.tsa.statespace._initialization.zInitialization "
     "statsmodels.tsa.statespace._kalman_filter.cKalmanFilter "
     "statsmodels.tsa.statespace._kalman_filter.dKalmanFilter "
     "statsmodels.tsa.statespace._kalman_filter.sKalmanFilter "
     "statsmodels.tsa.statespace._kalman_filter.zKalmanFilter "
     "statsmodels.tsa.statespace._kalman_smoother.cKalmanSmoother "
     "statsmodels.tsa.statespace._kalman_smoother.dKalmanSmoother "
     "statsmodels.tsa.statespace._kalman_smoother.sKalmanSmoother "
     "statsmodels.tsa.statespace._kalman_smoother.zKalmanSmoother "
     "statsmodels.tsa.statespace._representation.cStatespace "
     "statsmodels.tsa.statespace._representation.dStatespace "
     "statsmodels.tsa.statespace._representation.sStatespace "
     "statsmodels.tsa.statespace._representation.zStatespace "
     "statsmodels.tsa.statespace._simulation_smoother.cSimulationSmoother "
     "statsmodels.tsa.statespace._simulation_smoother.dSimulationSmoother "
     "statsmodels.tsa.statespace._simulation_smoother.sSimulationSmoother "
     "statsmodels.tsa.statespace._simulation_smoother.zSimulationSmoother typing.#"},
    {Risk::by_arguments, Check::class_first, "make an object of any class",
     "hdbscan.dist_metrics.newObj pandas.core.indexes.interval._new_IntervalIndex "
     "pandas.core.indexes.timedeltas._new_TimedeltaIndex"},
    {Risk::harmless, Check::none, "",
     "_operator.abs _operator.and_ _operator.concat _operator.contains _operator.floordiv _operator.ge "
     "_operator.index _operator.inv _operator.invert _operator.is_ _operator.is_not _operator.le "
     "_operator.lshift _operator.matmul _operator.mod _operator.ne _operator.neg _operator.not_ _operator.or_ "
     "_operator.pos _operator.pow _operator.rshift _operator.truth _operator.xor collections.namedtuple "
     "dateutil.relativedelta.relativedelta math.acos math.acosh math.asin math.asinh math.atan math.atan2 "
     "math.atanh math.cbrt math.comb math.copysign math.cosh math.degrees math.dist math.e math.erf math.erfc "
     "math.exp2 math.expm1 math.factorial math.fmod math.frexp math.fsum math.gamma math.gcd math.hypot "
     "math.isclose math.isfinite math.isinf math.isnan math.isqrt math.lcm math.ldexp math.lgamma math.modf "
     "math.nextafter math.perm math.pi math.prod math.radians math.remainder math.sinh math.tau math.trunc "
     "math.ulp ml_dtypes.float4_e2m1fn ml_dtypes.float6_e2m3fn ml_dtypes.float6_e3m2fn ml_dtypes.float8_e3m4 "
     "ml_dtypes.float8_e4m3 ml_dtypes.float8_e4m3b11fnuz ml_dtypes.float8_e4m3fnuz ml_dtypes.float8_e5m2fnuz "
     "ml_dtypes.float8_e8m0fnu ml_dtypes.int1 ml_dtypes.int2 ml_dtypes.int4 ml_dtypes.uint1 ml_dtypes.uint2 "
     "ml_dtypes.uint4 numpy._core.records.record numpy.char.chararray numpy.character numpy.chararray "
     "numpy.complexfloating numpy.core.getlimits.MachArLike numpy.core.records.record numpy.fft.fft numpy.finfo "
     "numpy.flexible numpy.floating numpy.iinfo numpy.inexact numpy.integer numpy.linalg.norm numpy.ndenumerate "
     "numpy.signedinteger numpy.unsignedinteger operator.abs operator.inv operator.invert operator.lshift "
     "operator.rshift pandas.core.frame.DataFrame.to_numpy pyarrow.lib.array pyarrow.lib.binary "
     "pyarrow.lib.bool_ pyarrow.lib.date32 pyarrow.lib.date64 pyarrow.lib.decimal128 pyarrow.lib.decimal256 "
     "pyarrow.lib.dictionary pyarrow.lib.duration pyarrow.lib.fixed_size_list pyarrow.lib.float16 "
     "pyarrow.lib.float32 pyarrow.lib.float64 pyarrow.lib.int16 pyarrow.lib.int32 pyarrow.lib.int64 "
     "pyarrow.lib.int8 pyarrow.lib.large_binary pyarrow.lib.large_list pyarrow.lib.large_string "
     "pyarrow.lib.large_utf8 pyarrow.lib.list_ pyarrow.lib.map_ pyarrow.lib.null pyarrow.lib.scalar "
     "pyarrow.lib.string pyarrow.lib.struct pyarrow.lib.time32 pyarrow.lib.time64 pyarrow.lib.timestamp "
     "pyarrow.lib.uint16 pyarrow.lib.uint32 pyarrow.lib.uint64 pyarrow.lib.uint8 pyarrow.lib.utf8 "
     "spacy.matcher.matcher.unpickle_matcher spacy.matcher.phrasematcher.unpickle_matcher "
     "spacy.morphology.unpickle_morphology spacy.util.SimpleFrozenList spacy.util.raise_error "
     "spacy.vectors.unpickle_vectors tensorflow.python.framework.dtypes.as_dtype "
     "tensorflow.python.framework.ops.convert_to_tensor torch.ScriptObject torch._C._VariableFunctionsClass "
     "torch.acos torch.argmax torch.argmin torch.asin torch.atan torch.batch_norm torch.bitwise_not torch.bmm "
     "torch.ceil torch.celu torch.clamp torch.conv1d torch.conv2d torch.conv3d torch.conv_transpose1d "
     "torch.conv_transpose2d torch.cos torch.cosh torch.cumsum torch.div torch.dropout torch.einsum torch.erf "
     "torch.expm1 torch.flatten torch.floor torch.hardshrink torch.layer_norm torch.log10 torch.log1p torch.log2 "
     "torch.log_softmax torch.logit torch.logsumexp torch.maximum torch.minimum torch.mm torch.neg torch.norm "
     "torch.pow torch.prelu torch.prod torch.reciprocal torch.round torch.rrelu torch.rsqrt torch.selu "
     "torch.sign torch.sin torch.sinh torch.square torch.squeeze torch.std torch.sub torch.tan torch.threshold "
     "torch.trunc torch.unsqueeze torch.utils.data._utils.collate.default_collate torch.var torch.where"},
    {Risk::class_only, Check::acting, "read or write files",
     "joblib._store_backends.FileSystemStoreBackend joblib.logger.Logger joblib.memory.MemorizedFunc "
     "joblib.memory.Memory joblib.memory.NotMemorizedFunc lightgbm.basic.Booster lightning.fabric.loggers.# "
     "lightning.pytorch.loggers.# lightning_fabric.loggers.# optuna.storages.# pytorch_lightning.loggers.#"},
    {Risk::class_only, Check::acting, "run a command of the system", "gensim.models.wrappers.*"},
    {Risk::class_only, Check::acting, "run code",
     "gym.vector.AsyncVectorEnv gym.vector.SyncVectorEnv gym.vector.async_vector_env.AsyncVectorEnv "
     "gym.vector.sync_vector_env.SyncVectorEnv gymnasium.vector.AsyncVectorEnv gymnasium.vector.SyncVectorEnv "
     "gymnasium.vector.async_vector_env.AsyncVectorEnv gymnasium.vector.sync_vector_env.SyncVectorEnv "
     "h2o.backend.H2OLocalServer h2o.backend.server.H2OLocalServer lightning_utilities.core.imports.*"},
    {Risk::class_only, Check::acting, "load another serialised object",
     "keras.export.TFSMLayer keras.layers.TFSMLayer keras.src.export.tfsm_layer.TFSMLayer "
     "tensorflow.keras.layers.TFSMLayer transformers.data.datasets.#"},
};

// NumPy's element-wise functions, which it names by any of these modules.
constexpr std::string_view element_wise =
    "abs absolute acos acosh add arccos arccosh arcsin arcsinh arctan arctan2 arctanh asin asinh atan atan2 "
    "atanh bitwise_and bitwise_count bitwise_invert bitwise_left_shift bitwise_not bitwise_or "
    "bitwise_right_shift bitwise_xor cbrt ceil conj conjugate copysign cos cosh deg2rad degrees divide divmod "
    "equal exp exp2 expm1 fabs float_power floor floor_divide fmax fmin fmod frexp gcd greater greater_equal "
    "heaviside hypot invert isfinite isinf isnan isnat lcm ldexp left_shift less less_equal log log10 log1p "
    "log2 logaddexp logaddexp2 logical_and logical_not logical_or logical_xor matmul matvec maximum minimum mod "
    "modf multiply negative nextafter not_equal positive pow power rad2deg radians reciprocal remainder "
    "right_shift rint sign signbit sin sinh spacing sqrt square subtract tan tanh true_divide trunc vecdot "
    "vecmat";
constexpr std::string_view element_wise_modules[] = {"numpy.", "numpy.core._multiarray_umath.", "numpy.core.umath.",
                                                     "numpy._core._multiarray_umath.", "numpy._core.umath."};

// Its functions on arrays, likewise.
constexpr std::string_view on_arrays =
    "all allclose amax amin angle any append arange argmax argmin argsort around array array_equal array_split "
    "asarray ascontiguousarray asfortranarray astype atleast_1d atleast_2d atleast_3d average bincount "
    "broadcast_to choose clip column_stack compress concatenate convolve copy corrcoef count_nonzero cov cross "
    "cumprod cumsum delete diag diagflat diagonal diff digitize dot dstack einsum empty empty_like expand_dims "
    "extract eye fill_diagonal fix flatnonzero flip fliplr flipud full full_like gradient histogram hsplit "
    "hstack i0 identity imag in1d indices inner insert interp intersect1d isclose iscomplex isin isneginf "
    "isposinf isreal ix_ kron lexsort linspace logspace max mean median meshgrid min moveaxis nan_to_num "
    "nanargmax nanargmin nanmax nanmean nanmedian nanmin nanpercentile nanprod nanquantile nanstd nansum nanvar "
    "ndim nonzero ones ones_like outer pad partition percentile polyfit polyval prod ptp put quantile ravel "
    "real real_if_close repeat reshape resize roll rollaxis rot90 round round_ row_stack searchsorted select "
    "setdiff1d shape sinc size sort split squeeze stack std sum swapaxes take take_along_axis tensordot tile "
    "trace transpose trapz tri tril trim_zeros triu unique unwrap vander var vdot vsplit vstack where zeros "
    "zeros_like";
constexpr std::string_view on_arrays_modules[] = {
    "numpy.",
    "numpy._core.fromnumeric.",
    "numpy._core.multiarray.",
    "numpy._core.numeric.",
    "numpy.core.fromnumeric.",
    "numpy.core.multiarray.",
    "numpy.core.numeric.",
    "numpy.lib._function_base_impl.",
    "numpy.lib.function_base.",
};

template <class Visit>
void each_word(std::string_view words, Visit visit) {
  while (!words.empty()) {
    const auto blank = words.find(' ');
    visit(words.substr(0, blank));
    words = blank == std::string_view::npos ? std::string_view{} : words.substr(blank + 1);
  }
}

const std::vector<std::string>& numpy_names() {
  static const std::vector<std::string> names = [] {
    std::vector<std::string> made;
    for (const auto module : element_wise_modules)
      each_word(element_wise, [&](std::string_view word) { made.push_back(std::string(module) + std::string(word)); });
    for (const auto module : on_arrays_modules)
      each_word(on_arrays, [&](std::string_view word) { made.push_back(std::string(module) + std::string(word)); });
    return made;
  }();
  return names;
}

std::vector<CallableRule> make_rules() {
  std::vector<CallableRule> rules;
  for (const auto& group : groups)
    each_word(group.names,
              [&](std::string_view word) { rules.push_back({word, group.risk, group.effect, group.check}); });
  for (const auto& name : numpy_names()) rules.push_back({name, Risk::harmless, {}});
  std::sort(rules.begin(), rules.end(),
            [](const CallableRule& a, const CallableRule& b) { return a.pattern < b.pattern; });
  // NumPy's functions are listed by what they do as well; contradictions stay, for the test to find.
  rules.erase(std::unique(rules.begin(), rules.end(),
                          [](const CallableRule& a, const CallableRule& b) {
                            return a.pattern == b.pattern && a.risk == b.risk && a.check == b.check;
                          }),
              rules.end());
  return rules;
}

}  // namespace

std::span<const CallableRule> callable_rules() {
  static const std::vector<CallableRule> rules = make_rules();
  return rules;
}

}  // namespace hauberk::scan

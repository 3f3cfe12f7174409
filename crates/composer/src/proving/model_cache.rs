//! A directory in which the extensions of models are kept between processes.

use std::io;
use std::sync::Arc;

use camino::{Utf8Path, Utf8PathBuf};
use matchmark_model::IntegerModel;
use matchmark_prover::{
    model_outline, CommittedModel, ExtensionError, ExtensionId, ModelChain, ModelOutline,
    ProveError, SegmentProver,
};
use matchmark_statement::ModelCommitment;
use matchmark_verifier::ModelKey;
use tracing::{debug, info};

use crate::proving::disk::{io_error, Disk};
use crate::proving::error::{DirectoryError, ModelCacheError, PlanError};
use crate::proving::storage::{FileSystem, Storage};

/// How the names of files end that have an extension.
const SUFFIX: &str = ".trees";

/// A directory in which the extensions of committed models are kept: one file for each model, blowup and
/// relation, whatever the chain.
///
/// A file is checked by its content before it is used: it is hashed anew, and compared with the model
/// itself. One that is not the model's is a typed error, and is left as it is: nothing is used of it, and
/// nothing is made in its place without being asked for. Where there is no file the model is committed
/// from its weights, and the file is written, whole or not at all.
#[derive(Clone, Debug)]
pub struct ModelCache {
    storage: Arc<dyn Storage>,
    directory: Utf8PathBuf,
    key: Option<ModelKey>,
}

impl ModelCache {
    /// A cache in this directory, which is made when there is something to keep in it.
    pub fn new(directory: impl Into<Utf8PathBuf>) -> Self {
        Self::on(Arc::new(FileSystem), directory)
    }

    /// As [`Self::new`], on a storage of one's own.
    pub fn on(storage: Arc<dyn Storage>, directory: impl Into<Utf8PathBuf>) -> Self {
        Self {
            storage,
            directory: directory.into(),
            key: None,
        }
    }

    /// With a trusted key of the model: a file that comes to the key's commitment is not compared with the
    /// model once more. Any other is, as if there were no key.
    #[must_use]
    pub fn with_key(mut self, key: ModelKey) -> Self {
        self.key = Some(key);
        self
    }

    /// The directory.
    #[must_use]
    pub fn directory(&self) -> &Utf8Path {
        &self.directory
    }

    /// Where an extension is kept.
    #[must_use]
    pub fn path(&self, id: ExtensionId) -> Utf8PathBuf {
        self.directory.join(format!("{id}{SUFFIX}"))
    }

    /// The prover of a model's chain, by the extension that is kept, or else from the weights, and then the
    /// extension is kept.
    fn prover(
        &self,
        chain: ModelChain,
        model: Arc<IntegerModel>,
    ) -> Result<SegmentProver, PlanError> {
        let outline = model_outline(&model);
        let path = self.path(ExtensionId::of_chain(&chain, &outline));
        match self.storage.open(&path) {
            Ok(mut file) => {
                let known = self.known(&chain, &outline)?;
                debug!(%path, "reading the extension of the model");
                SegmentProver::for_model_with_extension(chain, model, &mut file, known)
                    .map_err(|error| refused(path, error))
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let prover = SegmentProver::for_model(chain, model)?;
                if let Some(model) = prover.model() {
                    self.keep(model).map_err(ModelCacheError::from)?;
                }
                Ok(prover)
            }
            Err(source) => Err(ModelCacheError::from(io_error("open", &path, source)).into()),
        }
    }

    /// The commitment that the key has for a chain of this model.
    fn known(
        &self,
        chain: &ModelChain,
        outline: &ModelOutline,
    ) -> Result<Option<ModelCommitment>, ProveError> {
        let Some(key) = &self.key else {
            return Ok(None);
        };
        let log_blowup = chain.security.parameters().log_blowup;
        let own = key.commitment(log_blowup, chain.lifting_log_size(outline)?);
        Ok(own.filter(|_| key.outline() == outline))
    }

    /// Writes the extension of a committed model, unless another process is writing into the directory: it
    /// is then for a later one to keep it.
    fn keep(&self, model: &CommittedModel) -> Result<(), DirectoryError> {
        let extension = model.extension();
        let path = self.path(extension.id());
        let disk = Disk(&*self.storage);
        disk.create_directory(&self.directory)?;
        let _lock = match disk.lock(&self.directory) {
            Ok(lock) => lock,
            Err(DirectoryError::Locked { path: lock }) => {
                info!(%lock, "another process writes into the cache: nothing is kept");
                return Ok(());
            }
            Err(error) => return Err(error),
        };
        // What a process left behind that was killed while it wrote.
        disk.remove_temporaries(&self.directory)?;
        debug!(%path, "keeping the extension of the model");
        disk.write_pieces(&path, extension.pieces())
    }
}

/// The prover of a model's chain, with a cache or without.
pub(crate) fn model_prover(
    chain: ModelChain,
    model: Arc<IntegerModel>,
    cache: Option<&ModelCache>,
) -> Result<SegmentProver, PlanError> {
    match cache {
        None => Ok(SegmentProver::for_model(chain, model)?),
        Some(cache) => cache.prover(chain, model),
    }
}

fn refused(path: Utf8PathBuf, error: ExtensionError) -> PlanError {
    match error {
        ExtensionError::Prove(error) => error.into(),
        ExtensionError::Read(source) => {
            ModelCacheError::from(io_error("read", &path, source)).into()
        }
        error => {
            let source = Box::new(error);
            ModelCacheError::Extension { path, source }.into()
        }
    }
}

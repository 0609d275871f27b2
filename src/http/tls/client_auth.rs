//! Certificates of clients: who must show one, which ones are accepted, and which names must be in them.
//!
//! Runs on the thread `http` during a TLS handshake. It must not know HTTP.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Arc;

use anyhow::{Context, bail, ensure};
use rustls::client::danger::HandshakeSignatureValid;
use rustls::crypto::{
    CryptoProvider, WebPkiSupportedAlgorithms, verify_tls12_signature, verify_tls13_signature,
};
use rustls::pki_types::{CertificateDer, UnixTime};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::server::{NoClientAuth, WebPkiClientVerifier};
use rustls::{
    CertificateError, DigitallySignedStruct, DistinguishedName, Error, RootCertStore,
    SignatureScheme,
};
use x509_cert::Certificate;
use x509_cert::der::Decode;
use x509_cert::ext::pkix::SubjectAltName;
use x509_cert::ext::pkix::name::GeneralName;

use super::pem_source::PemSource;
use crate::pem;

/// What the configuration says about certificates of clients.
pub(super) struct ClientAuthSettings<'a> {
    /// The value of `client_auth_type`, which is one of Go's names; `None` if the key is absent.
    pub(super) auth_type: Option<&'a str>,
    /// The authorities that sign certificates of clients; `None` means those that the system trusts.
    pub(super) authorities: Option<PemSource<'a>>,
    /// A certificate must have one of these names; `None` if any name is accepted.
    pub(super) allowed_sans: Option<&'a [String]>,
}

/// The values of Go's `tls.ClientAuthType`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum ClientAuthType {
    NoClientCert,
    RequestClientCert,
    RequireAnyClientCert,
    VerifyClientCertIfGiven,
    RequireAndVerifyClientCert,
}

impl ClientAuthType {
    fn of(name: Option<&str>) -> anyhow::Result<Self> {
        Ok(match name {
            None | Some("NoClientCert") => Self::NoClientCert,
            Some("RequestClientCert") => Self::RequestClientCert,
            // The exporter-toolkit knows the second name from its earlier versions.
            Some("RequireAnyClientCert" | "RequireClientCert") => Self::RequireAnyClientCert,
            Some("VerifyClientCertIfGiven") => Self::VerifyClientCertIfGiven,
            Some("RequireAndVerifyClientCert") => Self::RequireAndVerifyClientCert,
            Some(other) => bail!(
                "client_auth_type: {other:?} is not known; choose among NoClientCert, RequestClientCert, \
                 RequireAnyClientCert, VerifyClientCertIfGiven, RequireAndVerifyClientCert"
            ),
        })
    }

    fn is_mandatory(self) -> bool {
        matches!(self, Self::RequireAnyClientCert | Self::RequireAndVerifyClientCert)
    }

    fn verifies(self) -> bool {
        matches!(self, Self::VerifyClientCertIfGiven | Self::RequireAndVerifyClientCert)
    }
}

/// Makes the verifier of clients' certificates that rustls calls.
///
/// # Errors
/// The type is unknown, keys contradict each other by the rules of the exporter-toolkit, or the authorities cannot be
/// read.
pub(super) fn verifier(
    settings: &ClientAuthSettings<'_>,
    provider: &Arc<CryptoProvider>,
) -> anyhow::Result<Arc<dyn ClientCertVerifier>> {
    let auth_type = ClientAuthType::of(settings.auth_type)?;
    let certificates = settings.authorities.as_ref().map(PemSource::certificates).transpose()?;
    ensure!(
        certificates.is_none() || auth_type != ClientAuthType::NoClientCert,
        "client_ca_file or client_ca is given, but client_auth_type asks for no certificate; \
         write RequireAndVerifyClientCert"
    );
    ensure!(
        settings.allowed_sans.is_none() || auth_type.is_mandatory(),
        "client_allowed_sans needs a client_auth_type that makes clients show a certificate: \
         RequireAndVerifyClientCert or RequireAnyClientCert"
    );
    if auth_type == ClientAuthType::NoClientCert {
        return Ok(Arc::new(NoClientAuth));
    }
    let chain = if auth_type.verifies() {
        let roots = Arc::new(roots(settings, certificates)?);
        let builder = WebPkiClientVerifier::builder_with_provider(roots, Arc::clone(provider));
        Some(builder.build().context("the authorities of clients cannot be used")?)
    } else {
        None
    };
    Ok(Arc::new(ClientVerifier {
        is_mandatory: auth_type.is_mandatory(),
        chain,
        allowed_sans: settings.allowed_sans.map(<[String]>::to_vec),
        algorithms: provider.signature_verification_algorithms,
    }))
}

/// The authorities that the configuration names. If it names none they are those that the system trusts, as in Go.
fn roots(
    settings: &ClientAuthSettings<'_>,
    certificates: Option<Vec<CertificateDer<'static>>>,
) -> anyhow::Result<RootCertStore> {
    let mut roots = RootCertStore::empty();
    let Some((source, certificates)) = settings.authorities.as_ref().zip(certificates) else {
        roots.add_parsable_certificates(pem::system_authorities());
        ensure!(
            !roots.is_empty(),
            "client_ca_file is missing, and the system has no authorities to verify clients with"
        );
        return Ok(roots);
    };
    for certificate in certificates {
        roots.add(certificate).with_context(|| {
            format!("{}: a certificate in it cannot be an authority's", source.name())
        })?;
    }
    Ok(roots)
}

/// Accepts a certificate by its chain, if chains are verified, and by its names, if only some are allowed.
#[derive(Debug)]
struct ClientVerifier {
    is_mandatory: bool,
    /// Verifies that an authority has signed the certificate; `None` if any certificate is accepted for which the client
    /// has the private key.
    chain: Option<Arc<dyn ClientCertVerifier>>,
    allowed_sans: Option<Vec<String>>,
    algorithms: WebPkiSupportedAlgorithms,
}

impl ClientCertVerifier for ClientVerifier {
    fn client_auth_mandatory(&self) -> bool {
        self.is_mandatory
    }

    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        self.chain.as_ref().map_or(&[], |verifier| verifier.root_hint_subjects())
    }

    fn verify_client_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        if let Some(verifier) = &self.chain {
            verifier.verify_client_cert(end_entity, intermediates, now)?;
        }
        if let Some(allowed) = &self.allowed_sans
            && !subject_alternative_names(end_entity)?.iter().any(|name| allowed.contains(name))
        {
            return Err(CertificateError::ApplicationVerificationFailure.into());
        }
        Ok(ClientCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, cert, dss, &self.algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, cert, dss, &self.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}

/// The names in a certificate: DNS names, e-mail addresses, IP addresses in Go's notation, and URIs.
fn subject_alternative_names(certificate: &CertificateDer<'_>) -> Result<Vec<String>, Error> {
    let bad_encoding = |_| Error::from(CertificateError::BadEncoding);
    let certificate = Certificate::from_der(certificate).map_err(bad_encoding)?;
    let extension = certificate.tbs_certificate().get_extension::<SubjectAltName>();
    let names = extension.map_err(bad_encoding)?.map_or_else(Vec::new, |(_, names)| names.0);
    Ok(names.iter().filter_map(text_of).collect())
}

fn text_of(name: &GeneralName) -> Option<String> {
    match name {
        GeneralName::DnsName(text)
        | GeneralName::Rfc822Name(text)
        | GeneralName::UniformResourceIdentifier(text) => Some(text.to_string()),
        GeneralName::IpAddress(octets) => ip_address(octets.as_bytes()).map(|ip| ip.to_string()),
        _ => None,
    }
}

fn ip_address(octets: &[u8]) -> Option<IpAddr> {
    let v4 = <[u8; 4]>::try_from(octets).map(|octets| Ipv4Addr::from(octets).into());
    v4.or_else(|_| {
        <[u8; 16]>::try_from(octets).map(|octets| IpAddr::V6(Ipv6Addr::from(octets)).to_canonical())
    })
    .ok()
}

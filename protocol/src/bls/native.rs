//! The blst backend, through the safe interface of blstrs.

use super::{Backend, expand_message};
use alloc::vec::Vec;
use blst::{MultiPoint as _, blst_fp12, blst_p1_affine, blst_p2_affine};
use blstrs_plus::elliptic_curve;
use blstrs_plus::elliptic_curve::hash2curve::{ExpandMsg, Expander};
use blstrs_plus::group::Group as _;
use blstrs_plus::group::prime::PrimeCurveAffine as _;
use blstrs_plus::{G1Affine, G1Projective, G2Affine, G2Projective};

/// Arithmetic by blst.
#[derive(Clone, Copy, Debug)]
pub struct Native;

impl Backend for Native {
    type G1 = G1Affine;
    type G2 = G2Affine;

    fn g1_from_compressed(bytes: &[u8; 48]) -> Option<G1Affine> {
        G1Affine::from_compressed(bytes).into()
    }

    fn g2_from_compressed(bytes: &[u8; 96]) -> Option<G2Affine> {
        G2Affine::from_compressed(bytes).into()
    }

    fn g2_is_identity(point: &G2Affine) -> bool {
        point.is_identity().into()
    }

    fn hash_to_g1(tag: &str, message: &[u8]) -> G1Affine {
        Self::hash_to_curve(tag, message).into()
    }

    fn g1_sum_of_products(points: &[(G1Affine, u128)]) -> G1Affine {
        // Multiplying by one would cost as much as by any other factor.
        let (single, multiple): (Vec<_>, Vec<_>) =
            points.iter().partition(|(_, factor)| *factor == 1);
        let factors: Vec<u8> =
            multiple.iter().flat_map(|(_, factor)| factor.to_le_bytes()).collect();
        let multiple: Vec<blst_p1_affine> =
            multiple.iter().map(|(point, _)| *point.as_ref()).collect();
        let mut sum = G1Projective::identity();
        if !multiple.is_empty() {
            *sum.as_mut() = multiple.mult(&factors, FACTOR_BITS);
        }
        single.iter().fold(sum, |sum, (point, _)| sum + point).into()
    }

    fn g2_sum(plus: &[&G2Affine], minus: &[&G2Affine]) -> G2Affine {
        let points: Vec<blst_p2_affine> = plus
            .iter()
            .map(|point| *point.as_ref())
            .chain(minus.iter().map(|point| *(-*point).as_ref()))
            .collect();
        let mut sum = G2Projective::identity();
        if !points.is_empty() {
            // Adds in pairs, which share one inversion.
            *sum.as_mut() = points.add();
        }
        sum.into()
    }

    fn pairing_holds(signature: &G1Affine, terms: &[(G1Affine, G2Affine)]) -> bool {
        let negated = (-*signature, G2Affine::generator());
        // A pair with an identity contributes nothing to the product.
        let pairs = core::iter::once(&negated)
            .chain(terms)
            .filter(|(g1, g2)| !bool::from(g1.is_identity() | g2.is_identity()));
        let (g1, g2): (Vec<blst_p1_affine>, Vec<blst_p2_affine>) =
            pairs.map(|(g1, g2)| (*g1.as_ref(), *g2.as_ref())).unzip();
        // One Miller loop over all pairs shares its squarings.
        g1.is_empty() || blst_fp12::miller_loop_n(&g2, &g1).final_exp() == blst_fp12::default()
    }
}

impl Native {
    /// As [`Backend::hash_to_g1`], in the coordinates that signing goes on with.
    #[must_use]
    pub fn hash_to_curve(tag: &str, message: &[u8]) -> G1Projective {
        G1Projective::hash::<KmacExpander>(message, tag.as_bytes())
    }
}

/// Hands the curve library Flow's expansion; the tag comes as the domain separation tag.
struct KmacExpander([u8; 128]);

impl<'a> ExpandMsg<'a> for KmacExpander {
    type Expander = Self;

    fn expand_message(
        messages: &[&[u8]],
        tags: &'a [&'a [u8]],
        _len_in_bytes: usize,
    ) -> Result<Self, elliptic_curve::Error> {
        let tag = core::str::from_utf8(tags.first().copied().unwrap_or_default())
            .map_err(|_| elliptic_curve::Error)?;
        Ok(Self(expand_message(tag, &messages.concat())))
    }
}

impl Expander for KmacExpander {
    fn fill_bytes(&mut self, output: &mut [u8]) {
        output.copy_from_slice(&self.0[..output.len()]);
    }
}

const FACTOR_BITS: usize = 128;
